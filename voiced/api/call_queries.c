#include "voiced/api/call_queries.h"

#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/store/filter.h"
#include "lib/store/result.h"
#include "voiced/api/call_commands.h"
#include "voiced/api/call_summary.h"
#include "voiced/workers/pool.h"

#include <string.h>

/* The database is away: what is answered is what is known here. */
static void tell_incomplete(json_t *body, const json_t *result)
{
	if (json_object_get(result, "incomplete") != NULL)
		json_object_set_new(body, "incomplete", json_true());
}

/* What the call's events add: notes, the outcome, the figures. */
static void on_call_events(void *arg, json_t *result, const char *error)
{
	struct call_question *q = arg;
	if (call_question_store_error(q, error))
		return;
	summary_add(q->document, json_object_get(result, "documents"));
	call_question_done(q, json_incref(q->document));
}

static void on_call_turns(void *arg, json_t *result, const char *error)
{
	struct call_question *q = arg;
	if (call_question_store_error(q, error))
		return;
	tell_incomplete(q->document, result);
	/* A call of the original has its history in its document. */
	if (json_array_size(json_object_get(result, "documents")) > 0 ||
	    json_object_get(q->document, "conversationHistory") == NULL)
		json_object_set(q->document, "conversationHistory", json_object_get(result, "documents"));
	store_events(q->v->store, q->call_id, NULL, on_call_events, q);
}

static void get_turns(struct call_question *q)
{
	store_turns(q->v->store, q->call_id, on_call_turns, q);
}

void reading_call(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (!answer_faults(reply, &r))
		call_question_look_up(v, sid, NULL, reply, get_turns);
}

static void on_transcript(void *arg, json_t *result, const char *error)
{
	struct call_question *q = arg;
	if (call_question_store_error(q, error))
		return;
	json_t *turns = json_object_get(result, "documents");
	json_t *original = json_object_get(q->document, "conversationHistory");
	if (json_array_size(turns) == 0 && original != NULL)
		turns = original;
	call_question_done(q, json_build("{s:O, s:O, s:O, s:O, s:I, s:O*}", "callSid",
					 json_object_get(q->document, "callSid"), "status",
					 json_object_get(q->document, "status"), "isLive",
					 json_object_get(q->document, "isLive"), "conversationHistory", turns,
					 "messageCount", (json_int_t)json_array_size(turns), "incomplete",
					 json_object_get(result, "incomplete")));
}

static void transcript_turns(struct call_question *q)
{
	store_turns(q->v->store, q->call_id, on_transcript, q);
}

void reading_transcript(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (!answer_faults(reply, &r))
		call_question_look_up(v, sid, NULL, reply, transcript_turns);
}

static void on_events(void *arg, json_t *result, const char *error)
{
	struct call_question *q = arg;
	if (call_question_store_error(q, error))
		return;
	json_t *events = json_object_get(result, "documents");
	call_question_done(q, json_build("{s:O, s:I, s:O, s:O*}", "callSid",
					 json_object_get(q->document, "callSid"), "count",
					 (json_int_t)json_array_size(events), "events", events, "incomplete",
					 json_object_get(result, "incomplete")));
}

static void events_of_type(struct call_question *q)
{
	store_events(q->v->store, q->call_id, q->text, on_events, q);
}

void reading_events(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *type = NULL, *sid = verb_read_sid(&r, args);
	json_read_text(&r, "eventType", JSON_OPTIONAL, 1, 64, &type);
	if (!answer_faults(reply, &r))
		call_question_look_up(v, sid, type, reply, events_of_type);
}

static void answer_instructions(struct call_question *q)
{
	call_question_done(
		q, json_build("{s:O, s:O, s:O}", "callSid", json_object_get(q->document, "callSid"),
			      "systemInstructions", json_object_get(q->document, "systemInstructions"),
			      "callInstructions", json_object_get(q->document, "callInstructions")));
}

void reading_instructions(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (!answer_faults(reply, &r))
		call_question_look_up(v, sid, NULL, reply, answer_instructions);
}

static void on_list(void *arg, json_t *result, const char *error)
{
	struct call_question *q = arg;
	if (call_question_store_error(q, error))
		return;
	json_t *calls = json_array(), *call;
	size_t i;
	json_array_foreach (json_object_get(result, "documents"), i, call) {
		json_t *brief = call_document_public(call);
		json_object_del(brief, "systemInstructions");
		json_object_del(brief, "callInstructions");
		json_array_append_new(calls, brief);
	}
	json_t *body = json_build("{s:I, s:o}", "count", (json_int_t)json_array_size(calls), "calls", calls);
	json_t *cursor = json_object_get(result, "nextCursor");
	if (cursor != NULL)
		json_object_set(body, "nextCursor", cursor);
	tell_incomplete(body, result);
	call_question_done(q, body);
}

void reading_list(struct voiced *v, json_t *args, struct reply reply)
{
	static const char *const types[] = {"inbound", "outbound", NULL};
	static const char *const statuses[] = {"scheduled", "initiated", "ringing",   "in-progress",
					       "completed", "busy",      "no-answer", "failed",
					       "canceled",  NULL};
	const char *type = NULL, *status = NULL, *from = NULL, *to = NULL, *cursor = NULL;
	int64_t from_ms = 0, to_ms = 0, limit = LIST_DEFAULT;
	struct json_reader r;
	json_read_open(&r, args);
	json_read_word(&r, "callType", JSON_OPTIONAL, types, &type);
	json_read_word(&r, "status", JSON_OPTIONAL, statuses, &status);
	json_read_address(&r, "fromNumber", JSON_OPTIONAL, &from);
	json_read_address(&r, "toNumber", JSON_OPTIONAL, &to);
	json_read_time(&r, "startDate", JSON_OPTIONAL, &from_ms);
	json_read_until(&r, "endDate", JSON_OPTIONAL, &to_ms);
	filter_read_page(&r, &limit, &cursor);
	if (answer_faults(reply, &r))
		return;
	json_t *where = json_array();
	filter_equal(where, "callType", type);
	filter_equal(where, "status", status);
	filter_equal(where, "fromNumber", from);
	filter_equal(where, "toNumber", to);
	filter_time(where, "startedAt", ">=", from_ms);
	filter_time(where, "startedAt", "<", to_ms);
	struct store_query query = {.where = where, .limit = limit, .cursor = cursor};
	struct call_question *q = xcalloc(1, sizeof *q);
	*q = (struct call_question){.v = v, .reply = reply};
	store_find(v->store, STORE_CALLS, &query, on_list, q);
}

static void tell_silence(struct call_question *q)
{
	call_question_done(q, json_build("{s:f, s:f, s:b, s:b}", "caller", 0.0, "agent", 0.0, "callerSpeaks",
					 0, "agentSpeaks", 0));
}

static void on_levels(void *arg, json_t *body, const struct peer_error *error)
{
	if (error != NULL)
		tell_silence(arg);
	else
		call_question_done(arg, json_incref(body));
}

/* Where nobody is on the line, not yet or no more, it is silent. */
void reading_levels(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (answer_faults(reply, &r))
		return;
	struct call *call = calls_by_name(v->calls, sid);
	if (call != NULL && !call_is_over(call))
		worker_ask(call, MSG_WORKER_LEVELS, json_object(), on_levels,
			   call_question_new(v, sid, reply));
	else
		call_question_look_up(v, sid, NULL, reply, tell_silence);
}
