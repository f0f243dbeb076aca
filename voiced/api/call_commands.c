#include "voiced/api/call_commands.h"

#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/store/result.h"
#include "voiced/calls/schedule.h"
#include "voiced/workers/pool.h"

#include <stdlib.h>
#include <string.h>

void call_question_free(struct call_question *q)
{
	json_decref(q->document);
	free(q->sid);
	free(q->call_id);
	free(q->text);
	free(q);
}

void call_question_fail(struct call_question *q, int http_status, const char *code, const char *message)
{
	q->reply.fail(q->reply.arg, http_status, code, message);
	call_question_free(q);
}

bool call_question_store_error(struct call_question *q, const char *error)
{
	if (!answer_store_error(q->reply, error))
		return false;
	call_question_free(q);
	return true;
}

void call_question_done(struct call_question *q, json_t *body)
{
	q->reply.done(q->reply.arg, 200, body);
	call_question_free(q);
}

struct call_question *call_question_new(struct voiced *v, const char *sid, struct reply reply)
{
	struct call_question *q = xcalloc(1, sizeof *q);
	*q = (struct call_question){.v = v, .reply = reply, .sid = xstrdup(sid)};
	return q;
}

static void on_document(void *arg, json_t *result, const char *error)
{
	struct call_question *q = arg;
	if (call_question_store_error(q, error))
		return;
	if (!json_is_object(result)) {
		call_question_fail(q, 404, "not_found",
				   "No call has this callSid; phony_list_calls lists them.");
	} else {
		q->call_id = xstrdup(json_string_value(json_object_get(result, "callId")));
		q->document = call_document_public(result);
		q->next(q);
	}
}

void call_question_look_up(struct voiced *v, const char *sid, const char *text, struct reply reply,
			   void (*next)(struct call_question *q))
{
	struct call_question *q = xcalloc(1, sizeof *q);
	*q = (struct call_question){.v = v,
				    .reply = reply,
				    .sid = xstrdup(sid),
				    .next = next,
				    .text = text ? xstrdup(text) : NULL};
	store_get(v->store, STORE_CALLS, schedule_is_id(sid) ? "requestId" : "callSid", sid, on_document, q);
}

void call_question_acted(struct call_question *q, const char *message)
{
	json_t *body =
		json_build("{s:s, s:s, s:s}", "status", "success", "message", message, "callSid", q->sid);
	call_question_done(q, body);
}

const char *verb_read_sid(struct json_reader *r, json_t *args)
{
	const char *sid = NULL;
	json_read_open(r, args);
	json_read_text(r, "callSid", JSON_NEEDED, 1, 64, &sid);
	if (sid != NULL && !twilio_is_call_sid(sid) && !schedule_is_id(sid))
		json_read_fault(r, "callSid must be CA or PC and 32 hexadecimal digits, as phony_create_call "
				   "returns it");
	return sid;
}

bool call_question_is_scheduled(const struct call_question *q)
{
	const char *status = json_string_value(json_object_get(q->document, "status"));
	return status != NULL && strcmp(status, "scheduled") == 0;
}

void call_question_not_live(struct call_question *q)
{
	if (json_is_true(json_object_get(q->document, "isLive"))) {
		call_question_fail(q, 409, "elsewhere",
				   "This call is served by another host of this database; ask there.");
		return;
	}
	if (call_question_is_scheduled(q))
		call_question_fail(
			q, 409, "not_live",
			"This call is scheduled and not placed yet; phony_cancel_call takes it back.");
	else
		call_question_fail(q, 409, "not_live",
				   "This call is over; see its status with phony_get_call.");
}

struct call *verb_live_call(struct voiced *v, const char *sid, struct reply reply)
{
	struct call *call = calls_by_name(v->calls, sid);
	if (call != NULL && !call_is_over(call))
		return call;
	call_question_look_up(v, sid, NULL, reply, call_question_not_live);
	return NULL;
}

static void on_worker_answer(void *arg, json_t *body, const struct peer_error *error)
{
	(void)body;
	struct call_question *q = arg;
	if (error != NULL)
		call_question_fail(q, error->http_status, error->code, error->message);
	else
		call_question_acted(q, q->text);
}

void verb_ask_worker(struct voiced *v, const char *sid, enum message type, json_t *body, const char *message,
		     struct reply reply)
{
	struct call *call = verb_live_call(v, sid, reply);
	if (call == NULL) {
		json_decref(body);
		return;
	}
	struct call_question *q = call_question_new(v, sid, reply);
	q->text = xstrdup(message);
	worker_ask(call, type, body, on_worker_answer, q);
}
