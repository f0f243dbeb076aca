#include "mcpd/confirm.h"

#include "lib/base/clock.h"
#include "lib/base/json_read.h"
#include "lib/base/object.h"
#include "lib/base/secret.h"

#include <string.h>
#include <sys/queue.h>

#define CONFIRM_MAGIC 0x636f6e66u
#define KEY "consent"

enum { OPEN_MAX = 32, STATE_LEN = 32, ANSWER_WITHIN_S = 600 };

/* A question of the current era, answered by a request that names its state. */
struct question {
	TAILQ_ENTRY(question) next;
	char state[STATE_LEN + 1];
	json_t *args;
	struct mono_us asked;
};

struct confirm {
	unsigned magic;
	TAILQ_HEAD(, question) open;
	unsigned count;
};

struct confirm *confirm_new(void)
{
	struct confirm *c;
	OBJ_ALLOC(c, CONFIRM_MAGIC);
	TAILQ_INIT(&c->open);
	return c;
}

static void forget(struct confirm *c, struct question *question)
{
	TAILQ_REMOVE(&c->open, question, next);
	c->count--;
	json_decref(question->args);
	free(question);
}

void confirm_free(struct confirm **cc)
{
	struct confirm *c = *cc;
	if (c == NULL)
		return;
	OBJ_CHECK(c, CONFIRM_MAGIC);
	while (!TAILQ_EMPTY(&c->open))
		forget(c, TAILQ_FIRST(&c->open));
	OBJ_FREE(c);
	*cc = NULL;
}

/* What elicitation/create asks, as both eras have it. */
static json_t *form(const json_t *args)
{
	const char *to = "", *goal = "";
	struct json_reader r;
	json_read_open(&r, args);
	json_read_text(&r, "toNumber", JSON_OPTIONAL, 0, 32, &to);
	json_read_text(&r, "callInstructions", JSON_OPTIONAL, 0, 64 * 1024, &goal);
	json_t *message = json_sprintf("Call %s? What the call is to achieve: %s", to, goal);
	return json_pack("{s:s, s:o, s:{s:s, s:{s:{s:s, s:s}}, s:[s]}}", "mode", "form", "message",
			 message ? message : json_string("Place this call?"), "requestedSchema", "type",
			 "object", "properties", "confirm", "type", "boolean", "title", "Place the call",
			 "required", "confirm");
}

/* {action, content {confirm}}: only a yes is one. */
static enum consent read_answer(const json_t *answer)
{
	const char *action = "";
	json_t *content = NULL;
	bool yes = false;
	struct json_reader r;
	json_read_open(&r, answer);
	json_read_text(&r, "action", JSON_NEEDED, 0, 32, &action);
	json_read_object(&r, "content", JSON_OPTIONAL, &content);
	json_read_open(&r, content);
	json_read_bool(&r, "confirm", JSON_NEEDED, &yes);
	return strcmp(action, "accept") == 0 && yes ? CONSENT_GIVEN : CONSENT_REFUSED;
}

/* ---- the older era: a request to the client ---- */

struct asking {
	struct request *request;
	confirm_fn *fn;
	void *arg;
};

static void on_answer(void *arg, const json_t *result, bool gone)
{
	struct asking a = *(struct asking *)arg;
	free(arg);
	if (gone)
		request_fail(a.request, RPC_INVALID_REQUEST, "Cancelled", NULL);
	a.fn(a.arg, gone ? CONSENT_MOOT : read_answer(result));
}

/* ---- the current era: the question is the answer ---- */

static struct question *find(struct confirm *c, const char *state)
{
	struct question *question;
	while ((question = TAILQ_FIRST(&c->open)) != NULL &&
	       (c->count > OPEN_MAX ||
		mono_now().us - question->asked.us > ANSWER_WITHIN_S * INT64_C(1000000)))
		forget(c, question);
	TAILQ_FOREACH (question, &c->open, next)
		if (secret_equal(question->state, state))
			break;
	return question;
}

static void ask_again(struct request *q, struct confirm *c, const json_t *args)
{
	struct question *question = xcalloc(1, sizeof *question);
	secret_make(question->state, STATE_LEN);
	question->args = json_deep_copy(args);
	question->asked = mono_now();
	TAILQ_INSERT_TAIL(&c->open, question, next);
	c->count++;
	request_answer(q,
		       json_pack("{s:s, s:{s:{s:s, s:o}}, s:s}", "resultType", "input_required",
				 "inputRequests", KEY, "method", "elicitation/create", "params", form(args),
				 "requestState", question->state),
		       NULL);
}

static enum consent of_repeated(struct request *q, struct confirm *c, const json_t *args)
{
	const char *state = "";
	json_t *responses = NULL, *answer = NULL;
	struct json_reader r;
	json_read_open(&r, request_params(q));
	json_read_text(&r, "requestState", JSON_OPTIONAL, 0, 128, &state);
	json_read_object(&r, "inputResponses", JSON_OPTIONAL, &responses);
	json_read_open(&r, responses);
	json_read_object(&r, KEY, JSON_OPTIONAL, &answer);
	struct question *question = find(c, state);
	if (question == NULL || answer == NULL || !json_equal(question->args, (json_t *)args)) {
		ask_again(q, c, args);
		return CONSENT_MOOT;
	}
	forget(c, question); /* it is answered once */
	return read_answer(answer);
}

void confirm_call(struct request *q, const json_t *args, confirm_fn *fn, void *arg)
{
	if (!backend_confirms(request_backend(q)) || !request_can_ask(q)) {
		fn(arg, CONSENT_GIVEN);
	} else if (request_is_modern(q)) {
		fn(arg, of_repeated(q, request_mcpd(q)->confirm, args));
	} else {
		struct asking *a = xcalloc(1, sizeof *a);
		*a = (struct asking){q, fn, arg};
		request_ask(q, "elicitation/create", form(args), on_answer, a);
	}
}
