#include "mcpd/complete.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/text.h"
#include "mcpd/prompts.h"
#include "mcpd/resources.h"

#include <string.h>

enum { VALUES_MAX = 100 };

struct completing {
	struct request *request;
	char *begun;
};

static void answer(struct request *q, json_t *values)
{
	size_t count = json_array_size(values);
	request_answer(q,
		       json_build("{s:{s:o, s:I, s:b}}", "completion", "values", values, "total",
				  (json_int_t)count, "hasMore", 0),
		       NULL);
}

static void on_calls(void *arg, json_t *reply, const struct peer_error *error)
{
	struct completing *c = arg;
	json_t *calls = NULL, *call, *values = json_array();
	const char *sid;
	size_t i;
	struct json_reader r;
	json_read_open(&r, error ? NULL : reply);
	json_read_any(&r, "calls", JSON_OPTIONAL, &calls);
	json_array_foreach (calls, i, call) {
		sid = NULL;
		json_read_open(&r, call);
		json_read_text(&r, "callSid", JSON_OPTIONAL, 1, 64, &sid);
		if (sid != NULL && strncmp(sid, c->begun, strlen(c->begun)) == 0 &&
		    json_array_size(values) < VALUES_MAX)
			json_array_append_new(values, json_text(sid));
	}
	answer(c->request, values);
}

void complete(struct request *q)
{
	json_t *ref = NULL, *argument = NULL;
	const char *type = "", *name = "", *uri = "", *of = "", *begun = "";
	struct json_reader r, inner;
	json_read_open(&r, request_params(q));
	json_read_object(&r, "ref", JSON_NEEDED, &ref);
	json_read_object(&r, "argument", JSON_NEEDED, &argument);
	json_read_open(&inner, ref);
	json_read_text(&inner, "type", JSON_NEEDED, 1, 64, &type);
	json_read_text(&inner, "name", JSON_OPTIONAL, 0, 128, &name);
	json_read_text(&inner, "uri", JSON_OPTIONAL, 0, 1024, &uri);
	json_read_open(&r, argument);
	json_read_text(&r, "name", JSON_NEEDED, 1, 128, &of);
	json_read_text(&r, "value", JSON_NEEDED, 0, 1024, &begun);
	bool of_call =
		strcmp(type, "ref/resource") == 0 && resources_is_template(uri) && strcmp(of, "callSid") == 0;
	bool of_prompt = strcmp(type, "ref/prompt") == 0 && prompts_have(name, of);
	if (ref == NULL || argument == NULL || !json_read_ok(&r) || !json_read_ok(&inner)) {
		request_fail(q, RPC_INVALID_PARAMS,
			     "ref {type, name or uri} and argument {name, value} are needed", NULL);
	} else if (of_call) {
		struct completing *c = request_alloc(q, sizeof *c);
		*c = (struct completing){q, request_strdup(q, begun)};
		request_query(q, MSG_LIST_CALLS, json_build("{s:i}", "limit", 200), on_calls, c);
	} else if (of_prompt) {
		answer(q, json_array()); /* numbers and days are the person's to know */
	} else {
		request_fail(q, RPC_INVALID_PARAMS, "There is no such prompt, template or argument", NULL);
	}
}
