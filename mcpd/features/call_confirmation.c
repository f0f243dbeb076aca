#include "mcpd/features/call_confirmation.h"

#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <stdlib.h>

struct confirming {
	confirm_fn *fn;
	void *arg;
};

/* Only a yes is one. */
static void on_asked(void *arg, const json_t *content)
{
	const struct confirming *c = arg;
	bool yes = false;
	struct json_reader r;
	json_read_open(&r, content);
	json_read_bool(&r, "confirm", JSON_NEEDED, &yes);
	c->fn(c->arg, yes);
}

static json_t *question_of(const json_t *args)
{
	const char *to = "", *goal = "";
	struct json_reader r;
	json_read_open(&r, args);
	json_read_text(&r, "toNumber", JSON_OPTIONAL, 0, 32, &to);
	json_read_text(&r, "callInstructions", JSON_OPTIONAL, 0, 64 * 1024, &goal);
	return json_text_printf("Call %s? What the call is to achieve: %s", to, goal);
}

void confirm_call(struct request *q, const json_t *args, confirm_fn *fn, void *arg)
{
	if (!backend_confirms(request_backend(q)) || !request_can_ask(q)) {
		fn(arg, true);
		return;
	}
	struct confirming *c = request_alloc(q, sizeof *c);
	*c = (struct confirming){fn, arg};
	ask_person(q, "consent", ask_form(question_of(args), "confirm", "boolean", "Place the call"), args,
		   on_asked, c);
}
