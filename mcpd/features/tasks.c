#include "mcpd/features/tasks.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "mcpd/features/operator_question.h"

#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 2000, SID_MAX = 64 };

/* ---- a call as a task ---- */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

static json_t *new_task(const char *id, const char *status, const char *message, const char *created)
{
	json_t *began = created[0] ? json_text(created) : wall_json(wall_now().ms);
	return json_build("{s:s, s:s, s:s, s:o, s:o, s:n, s:i}", "taskId", id, "status", status,
			  "statusMessage", message, "createdAt", began, "lastUpdatedAt",
			  wall_json(wall_now().ms), "ttlMs", "pollIntervalMs", POLL_MS);
}

/* What phony_create_call would have told, had it waited: its own members, and what came of the call. */
static json_t *result_of(const json_t *call)
{
	static const char *const told[] = {"duration",   "endReason", "errorMessage",       "outcome",
					   "answeredBy", "notes",     "conversationHistory"};
	const char *status = text_of(call, "status");
	json_t *content =
		json_build("{s:s, s:s, s:s, s:o}", "callSid", text_of(call, "callSid"), "status", status,
			   "provider", text_of(call, "provider"), "message",
			   json_text_printf("The call to %s is over: %s", text_of(call, "toNumber"), status));
	for (size_t i = 0; i < sizeof told / sizeof *told; i++)
		if (json_object_get(call, told[i]) != NULL)
			json_object_set(content, told[i], json_object_get(call, told[i]));
	char *text = json_dumps(content, JSON_COMPACT);
	json_t *result = json_build("{s:s, s:[{s:s, s:s}], s:o, s:b}", "resultType", "complete", "content",
				    "type", "text", "text", text, "structuredContent", content, "isError",
				    strcmp(status, "failed") == 0);
	free(text);
	return result;
}

json_t *tasks_describe(const char *id, const json_t *call, bool with_input)
{
	const char *status = text_of(call, "status");
	const char *began = text_of(call, "startedAt");
	const json_t *question = json_object_get(call, "operatorQuestion");
	bool over = json_object_get(call, "endedAt") != NULL && json_object_get(call, "dueAt") == NULL;
	if (over && strcmp(status, "canceled") == 0)
		return new_task(id, "cancelled", status, began);
	if (over) {
		json_t *task = new_task(id, "completed", status, began);
		json_object_set(task, "lastUpdatedAt", json_object_get(call, "endedAt"));
		json_object_set_new(task, "result", result_of(call));
		return task;
	}
	if (!json_is_object(question) || !with_input)
		return new_task(id, "working", status, began);
	json_t *task = new_task(id, "input_required", "The agent has a question", began);
	json_object_set_new(task, "inputRequests",
			    json_build("{s:{s:s, s:o}}", OPERATOR_KEY, "method", "elicitation/create",
				       "params", operator_form(text_of(question, "question"))));
	return task;
}

/* ---- requests ---- */

bool tasks_wanted(const struct request *q)
{
	return request_has_extension(q, TASKS_EXTENSION);
}

void tasks_created(struct request *q, const json_t *reply)
{
	json_t *task = new_task(text_of(reply, "callSid"), "working", text_of(reply, "message"), "");
	json_object_set_new(task, "resultType", json_text("task"));
	request_answer(q, task, NULL);
}

/* The task that the request names; NULL: answered. */
static const char *read_id(struct request *q)
{
	const char *id = NULL;
	struct json_reader r;
	json_read_open(&r, request_params(q));
	json_read_text(&r, "taskId", JSON_NEEDED, 1, SID_MAX, &id);
	if (!tasks_wanted(q)) {
		request_fail(
			q, RPC_NO_CAPABILITY, "The request does not declare the tasks extension",
			json_build("{s:{s:{s:{}}}}", "requiredCapabilities", "extensions", TASKS_EXTENSION));
		return NULL;
	}
	if (!json_read_ok(&r)) {
		request_fail(q, RPC_INVALID_PARAMS, r.faults, NULL);
		return NULL;
	}
	return id;
}

/* An error that ends the request: there is no such call, or what its id says is none. */
static void fail(struct request *q, const struct peer_error *error)
{
	if (error->http_status == 404 || error->http_status == 400)
		request_fail(q, RPC_INVALID_PARAMS, "Unknown task", NULL);
	else
		request_fail(q, RPC_INTERNAL, error->message, NULL);
}

struct task_request {
	struct request *request;
	char *id;
};

static struct task_request *task_request_new(struct request *q, const char *id)
{
	struct task_request *t = request_alloc(q, sizeof *t);
	*t = (struct task_request){q, request_strdup(q, id)};
	return t;
}

static void on_call(void *arg, json_t *reply, const struct peer_error *error)
{
	const struct task_request *t = arg;
	if (error != NULL)
		fail(t->request, error);
	else
		request_answer(t->request, tasks_describe(t->id, reply, request_can_ask(t->request)), NULL);
}

void tasks_get(struct request *q)
{
	const char *id = read_id(q);
	if (id != NULL)
		request_query(q, MSG_GET_CALL, json_build("{s:s}", "callSid", id), on_call,
			      task_request_new(q, id));
}

/* 409: nothing is asked, or the call is over. The answer came late, and does not matter. */
static void on_updated(void *arg, json_t *reply, const struct peer_error *error)
{
	struct request *q = arg;
	(void)reply;
	if (error != NULL && error->http_status != 409)
		fail(q, error);
	else
		request_answer(q, json_object(), NULL);
}

void tasks_update(struct request *q)
{
	const char *id = read_id(q), *answer = "";
	json_t *responses = NULL, *given = NULL;
	struct json_reader r;
	if (id == NULL)
		return;
	json_read_open(&r, request_params(q));
	json_read_object(&r, "inputResponses", JSON_NEEDED, &responses);
	if (!json_read_ok(&r)) {
		request_fail(q, RPC_INVALID_PARAMS, r.faults, NULL);
		return;
	}
	json_read_open(&r, responses);
	json_read_object(&r, OPERATOR_KEY, JSON_OPTIONAL, &given);
	json_read_open(&r, ask_content(given));
	json_read_text(&r, OPERATOR_FIELD, JSON_NEEDED, 1, 16 * 1024, &answer);
	if (answer[0] != '\0')
		request_query(q, MSG_ANSWER_OPERATOR,
			      json_build("{s:s, s:s}", "callSid", id, "answer", answer), on_updated, q);
	else /* declined, or of something else: the question stays open */
		request_query(q, MSG_GET_CALL, json_build("{s:s}", "callSid", id), on_updated, q);
}

static void on_hung_up(void *arg, json_t *reply, const struct peer_error *error);

/* A call that is not placed yet is taken back. */
static void hang_up(struct request *q)
{
	const char *id = read_id(q);
	if (id != NULL)
		request_query(q, MSG_HANGUP_CALL, json_build("{s:s}", "callSid", id), on_hung_up, q);
}

/* A task that is over cannot be cancelled, which is no fault; one that lives on is. */
static void on_hung_up(void *arg, json_t *reply, const struct peer_error *error)
{
	struct request *q = arg;
	(void)reply;
	if (error != NULL && strcmp(error->code, "not_scheduled") == 0)
		hang_up(q); /* it was placed just now: it is live */
	else if (error != NULL && strcmp(error->code, "not_live") != 0)
		fail(q, error);
	else
		request_answer(q, json_object(), NULL);
}

void tasks_cancel(struct request *q)
{
	hang_up(q);
}
