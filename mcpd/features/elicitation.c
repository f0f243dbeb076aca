#include "mcpd/features/elicitation.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/object.h"
#include "lib/base/secret.h"

#include <string.h>
#include <sys/queue.h>

#define ASKS_MAGIC 0x61736b73u

enum { OPEN_MAX = 64, STATE_LEN = 32, ANSWER_WITHIN_S = 600 };

/* A question of the current era, answered by a request that names its state. */
struct question {
	TAILQ_ENTRY(question) next;
	char state[STATE_LEN + 1];
	char *key;
	json_t *about;
	struct mono_us asked;
};

struct asks {
	unsigned magic;
	TAILQ_HEAD(, question) open;
	unsigned count;
};

struct asks *asks_new(void)
{
	struct asks *a;
	OBJ_ALLOC(a, ASKS_MAGIC);
	TAILQ_INIT(&a->open);
	return a;
}

static void forget(struct asks *a, struct question *question)
{
	TAILQ_REMOVE(&a->open, question, next);
	a->count--;
	json_decref(question->about);
	free(question->key);
	free(question);
}

void asks_free(struct asks **aa)
{
	struct asks *a = *aa;
	if (a == NULL)
		return;
	OBJ_CHECK(a, ASKS_MAGIC);
	while (!TAILQ_EMPTY(&a->open))
		forget(a, TAILQ_FIRST(&a->open));
	OBJ_FREE(a);
	*aa = NULL;
}

json_t *ask_form(json_t *message, const char *field, const char *type, const char *title)
{
	return json_build("{s:s, s:o, s:{s:s, s:{s:{s:s, s:s}}, s:[s]}}", "mode", "form", "message", message,
			  "requestedSchema", "type", "object", "properties", field, "type", type, "title",
			  title, "required", field);
}

const json_t *ask_content(const json_t *answer)
{
	const char *action = "";
	json_t *content = NULL;
	struct json_reader r;
	json_read_open(&r, answer);
	json_read_text(&r, "action", JSON_NEEDED, 0, 32, &action);
	json_read_object(&r, "content", JSON_OPTIONAL, &content);
	return strcmp(action, "accept") == 0 ? content : NULL;
}

/* ---- the older era: a request to the client ---- */

struct asking {
	ask_fn *fn;
	void *arg;
};

static void on_answer(void *arg, const json_t *result)
{
	const struct asking *a = arg;
	a->fn(a->arg, ask_content(result));
}

/* ---- the current era: the question is the answer ---- */

static struct question *find(struct asks *a, const char *state)
{
	struct question *question;
	while ((question = TAILQ_FIRST(&a->open)) != NULL &&
	       (a->count > OPEN_MAX ||
		mono_now().us - question->asked.us > ANSWER_WITHIN_S * INT64_C(1000000)))
		forget(a, question);
	TAILQ_FOREACH (question, &a->open, next)
		if (secret_equal(question->state, state))
			break;
	return question;
}

/* The open question that the request answers, and the person's answer to it; NULL: none. */
static struct question *answered(struct request *q, const char *key, const json_t *about, json_t **answer)
{
	const char *state = "";
	json_t *responses = NULL;
	struct json_reader r;
	*answer = NULL;
	json_read_open(&r, request_params(q));
	json_read_text(&r, "requestState", JSON_OPTIONAL, 0, 128, &state);
	json_read_object(&r, "inputResponses", JSON_OPTIONAL, &responses);
	json_read_open(&r, responses);
	json_read_object(&r, key, JSON_OPTIONAL, answer);
	struct question *question = find(request_mcpd(q)->asks, state);
	bool fits = question != NULL && *answer != NULL && strcmp(question->key, key) == 0 &&
		    json_equal(question->about, (json_t *)about);
	return fits ? question : NULL;
}

bool ask_is_answered(struct request *q, const char *key, const json_t *about)
{
	json_t *answer;
	return request_is_modern(q) && answered(q, key, about, &answer) != NULL;
}

static void ask_again(struct request *q, const char *key, json_t *form, const json_t *about)
{
	struct asks *a = request_mcpd(q)->asks;
	struct question *question = xcalloc(1, sizeof *question);
	secret_make(question->state, STATE_LEN);
	question->key = xstrdup(key);
	question->about = json_deep_copy(about);
	question->asked = mono_now();
	TAILQ_INSERT_TAIL(&a->open, question, next);
	a->count++;
	request_answer(q,
		       json_build("{s:s, s:{s:{s:s, s:o}}, s:s}", "resultType", "input_required",
				  "inputRequests", key, "method", "elicitation/create", "params", form,
				  "requestState", question->state),
		       NULL);
}

void ask_person(struct request *q, const char *key, json_t *form, const json_t *about, ask_fn *fn, void *arg)
{
	json_t *answer;
	if (!request_is_modern(q)) {
		struct asking *a = request_alloc(q, sizeof *a);
		*a = (struct asking){fn, arg};
		request_ask(q, "elicitation/create", form, on_answer, a);
		return;
	}
	struct question *question = answered(q, key, about, &answer);
	if (question == NULL) {
		ask_again(q, key, form, about);
		return;
	}
	forget(request_mcpd(q)->asks, question); /* it is answered once */
	json_decref(form);
	fn(arg, ask_content(answer));
}
