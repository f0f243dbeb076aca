#include "voiced/verbs.h"

#include "lib/base/clock.h"
#include "lib/base/e164.h"
#include "lib/base/json_read.h"
#include "lib/base/object.h"
#include "lib/store/filter.h"
#include "voiced/checkup.h"
#include "voiced/contexts.h"
#include "voiced/ending.h"
#include "voiced/guard.h"
#include "voiced/handlers.h"
#include "voiced/numbers.h"
#include "voiced/outgoing.h"
#include "voiced/recordings.h"
#include "voiced/schedule.h"
#include "voiced/settings.h"
#include "voiced/search.h"
#include "voiced/stats.h"
#include "voiced/steering.h"
#include "voiced/summary.h"
#include "voiced/tags.h"
#include "voiced/verbs_call.h"
#include "voiced/voicemail.h"
#include "voiced/waiting.h"
#include "voiced/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A question about one call that needs more than one step. */
struct question {
	struct voiced *v;
	struct reply reply;
	json_t *document; /* the call, as a person sees it */
	char *call_id, *text;
	void (*next)(struct question *q);
};

static void free_question(struct question *q)
{
	json_decref(q->document);
	free(q->call_id);
	free(q->text);
	free(q);
}

static void fail(struct question *q, int http_status, const char *code, const char *message)
{
	q->reply.fail(q->reply.arg, http_status, code, message);
	free_question(q);
}

static void done(struct question *q, json_t *body)
{
	q->reply.done(q->reply.arg, 200, body);
	free_question(q);
}

const char *verb_read_sid(struct json_reader *r, json_t *args)
{
	const char *sid = NULL;
	json_read_open(r, args);
	json_read_text(r, "callSid", JSON_NEEDED, 1, 64, &sid);
	if (sid != NULL && !twilio_is_call_sid(sid) && !schedule_is_id(sid))
		json_read_fault(
			r, "callSid must be CA and 32 hexadecimal digits, as phony_create_call returns it");
	return sid;
}

bool verb_refuse_faults(struct json_reader *r, struct reply reply)
{
	json_read_close(r, JSON_KNOWN_ONLY);
	if (json_read_ok(r))
		return false;
	reply.fail(reply.arg, 400, "invalid", r->faults);
	return true;
}

/* ---- reading ---- */

static void on_document(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (error != NULL) {
		fail(q, 503, "store", error);
	} else if (!json_is_object(result)) {
		fail(q, 404, "not_found", "No call has this callSid; phony_list_calls lists them.");
	} else {
		q->call_id = xstrdup(json_string_value(json_object_get(result, "callId")));
		q->document = call_document_public(result);
		q->next(q);
	}
}

/* Looks the call up, live or over, then goes on with next. */
static void with_call(struct voiced *v, const char *sid, const char *text, struct reply reply,
		      void (*next)(struct question *q))
{
	struct question *q = xcalloc(1, sizeof *q);
	*q = (struct question){.v = v, .reply = reply, .next = next, .text = text ? xstrdup(text) : NULL};
	store_get(v->store, STORE_CALLS, schedule_is_id(sid) ? "requestId" : "callSid", sid, on_document, q);
}

/* What the call's events add: notes, the outcome, the figures. */
static void on_call_events(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (error != NULL) {
		fail(q, 503, "store", error);
		return;
	}
	summary_add(q->document, json_object_get(result, "documents"));
	done(q, json_incref(q->document));
}

/* The database is away: what is answered is what is known here. */
static void tell_incomplete(json_t *body, const json_t *result)
{
	if (json_object_get(result, "incomplete") != NULL)
		json_object_set_new(body, "incomplete", json_true());
}

static void on_call_turns(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (error != NULL) {
		fail(q, 503, "store", error);
		return;
	}
	tell_incomplete(q->document, result);
	/* A call of the original has its history in its document. */
	if (json_array_size(json_object_get(result, "documents")) > 0 ||
	    json_object_get(q->document, "conversationHistory") == NULL)
		json_object_set(q->document, "conversationHistory", json_object_get(result, "documents"));
	store_events(q->v->store, q->call_id, NULL, on_call_events, q);
}

static void get_turns(struct question *q)
{
	store_turns(q->v->store, q->call_id, on_call_turns, q);
}

static void get_call(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (!verb_refuse_faults(&r, reply))
		with_call(v, sid, NULL, reply, get_turns);
}

static void on_transcript(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (error != NULL) {
		fail(q, 503, "store", error);
		return;
	}
	json_t *turns = json_object_get(result, "documents");
	json_t *original = json_object_get(q->document, "conversationHistory");
	if (json_array_size(turns) == 0 && original != NULL)
		turns = original;
	done(q,
	     json_pack("{s:O, s:O, s:O, s:O, s:I, s:O*}", "callSid", json_object_get(q->document, "callSid"),
		       "status", json_object_get(q->document, "status"), "isLive",
		       json_object_get(q->document, "isLive"), "conversationHistory", turns, "messageCount",
		       (json_int_t)json_array_size(turns), "incomplete",
		       json_object_get(result, "incomplete")));
}

static void transcript_turns(struct question *q)
{
	store_turns(q->v->store, q->call_id, on_transcript, q);
}

static void get_transcript(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (!verb_refuse_faults(&r, reply))
		with_call(v, sid, NULL, reply, transcript_turns);
}

static void on_events(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (error != NULL) {
		fail(q, 503, "store", error);
		return;
	}
	json_t *events = json_object_get(result, "documents");
	done(q, json_pack("{s:O, s:I, s:O, s:O*}", "callSid", json_object_get(q->document, "callSid"),
			  "count", (json_int_t)json_array_size(events), "events", events, "incomplete",
			  json_object_get(result, "incomplete")));
}

static void events_of_type(struct question *q)
{
	store_events(q->v->store, q->call_id, q->text, on_events, q);
}

static void get_events(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *type = NULL, *sid = verb_read_sid(&r, args);
	json_read_text(&r, "eventType", JSON_OPTIONAL, 1, 64, &type);
	if (!verb_refuse_faults(&r, reply))
		with_call(v, sid, type, reply, events_of_type);
}

static void answer_instructions(struct question *q)
{
	done(q, json_pack("{s:O, s:O, s:O}", "callSid", json_object_get(q->document, "callSid"),
			  "systemInstructions", json_object_get(q->document, "systemInstructions"),
			  "callInstructions", json_object_get(q->document, "callInstructions")));
}

static void get_instructions(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (!verb_refuse_faults(&r, reply))
		with_call(v, sid, NULL, reply, answer_instructions);
}

static void on_list(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (error != NULL) {
		fail(q, 503, "store", error);
		return;
	}
	json_t *calls = json_array(), *call;
	size_t i;
	json_array_foreach (json_object_get(result, "documents"), i, call) {
		json_t *brief = call_document_public(call);
		json_object_del(brief, "systemInstructions");
		json_object_del(brief, "callInstructions");
		json_array_append_new(calls, brief);
	}
	json_t *body = json_pack("{s:I, s:o}", "count", (json_int_t)json_array_size(calls), "calls", calls);
	json_t *cursor = json_object_get(result, "nextCursor");
	if (cursor != NULL)
		json_object_set(body, "nextCursor", cursor);
	tell_incomplete(body, result);
	done(q, body);
}

static void list_calls(struct voiced *v, json_t *args, struct reply reply)
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
	json_read_number(&r, "fromNumber", JSON_OPTIONAL, &from);
	json_read_number(&r, "toNumber", JSON_OPTIONAL, &to);
	json_read_time(&r, "startDate", JSON_OPTIONAL, &from_ms);
	json_read_until(&r, "endDate", JSON_OPTIONAL, &to_ms);
	filter_read_page(&r, &limit, &cursor);
	if (verb_refuse_faults(&r, reply))
		return;
	json_t *where = json_array();
	filter_equal(where, "callType", type);
	filter_equal(where, "status", status);
	filter_equal(where, "fromNumber", from);
	filter_equal(where, "toNumber", to);
	filter_time(where, "startedAt", ">=", from_ms);
	filter_time(where, "startedAt", "<", to_ms);
	struct store_query query = {.where = where, .limit = limit, .cursor = cursor};
	struct question *q = xcalloc(1, sizeof *q);
	*q = (struct question){.v = v, .reply = reply};
	store_find(v->store, STORE_CALLS, &query, on_list, q);
}

/* ---- steering ---- */

static void acted(struct question *q, const char *message)
{
	json_t *body =
		json_pack("{s:s, s:s, s:s}", "status", "success", "message", message, "callSid", q->call_id);
	done(q, body);
}

/* The live call, or NULL: answered. A call that is over gets 409, an unknown one 404. */
static void refuse_not_live(struct question *q)
{
	if (json_is_true(json_object_get(q->document, "isLive"))) {
		fail(q, 409, "elsewhere", "This call is served by another host of this database; ask there.");
		return;
	}
	fail(q, 409, "not_live", "This call is over; see its status with phony_get_call.");
}

struct call *verb_live_call(struct voiced *v, const char *sid, struct reply reply)
{
	struct call *call = calls_by_sid(v->calls, sid);
	if (call != NULL && !call_is_over(call))
		return call;
	with_call(v, sid, NULL, reply, refuse_not_live);
	return NULL;
}

static struct question *new_question(struct voiced *v, const char *sid, struct reply reply)
{
	struct question *q = xcalloc(1, sizeof *q);
	*q = (struct question){.v = v, .reply = reply, .call_id = xstrdup(sid)};
	return q;
}

static void on_hung_up(void *arg, const char *error)
{
	struct question *q = arg;
	if (error != NULL)
		fail(q, 502, "twilio", error);
	else
		acted(q, "Call ended");
}

static void on_hung_up_elsewhere(void *arg, const struct twilio_answer *answer)
{
	on_hung_up(arg, answer->outcome == TWILIO_DONE ? NULL : answer->message);
}

/* A live call of another host is ended at Twilio: its host hears of it. */
static void hangup_elsewhere(struct question *q)
{
	if (json_is_true(json_object_get(q->document, "isLive")))
		twilio_end_call(q->v->twilio, json_string_value(json_object_get(q->document, "callSid")),
				on_hung_up_elsewhere, q);
	else
		refuse_not_live(q);
}

static void hangup_call(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (verb_refuse_faults(&r, reply))
		return;
	struct call *call = calls_by_sid(v->calls, sid);
	if (call != NULL && !call_is_over(call))
		ending_begin(v, call, "hung up on request", on_hung_up, new_question(v, sid, reply));
	else
		with_call(v, sid, NULL, reply, hangup_elsewhere);
}

static void on_worker_answer(void *arg, json_t *body, const struct peer_error *error)
{
	(void)body;
	struct question *q = arg;
	if (error != NULL)
		fail(q, error->http_status, error->code, error->message);
	else
		acted(q, q->text);
}

void verb_ask_worker(struct voiced *v, const char *sid, enum message type, json_t *body, const char *message,
		     struct reply reply)
{
	struct call *call = verb_live_call(v, sid, reply);
	if (call == NULL) {
		json_decref(body);
		return;
	}
	struct question *q = new_question(v, sid, reply);
	q->text = xstrdup(message);
	worker_ask(call, type, body, on_worker_answer, q);
}

static void inject_context(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *context = NULL, *sid = verb_read_sid(&r, args);
	json_read_text(&r, "context", JSON_NEEDED, 1, 32 * 1024, &context);
	if (!verb_refuse_faults(&r, reply))
		verb_ask_worker(v, sid, MSG_WORKER_INJECT, json_pack("{s:s}", "context", context),
				"Context injected successfully", reply);
}

static void send_dtmf(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *digits = NULL, *sid = verb_read_sid(&r, args);
	json_read_text(&r, "digits", JSON_NEEDED, 1, 100, &digits);
	if (digits != NULL && digits[strspn(digits, "0123456789*#ABCDabcdwW ")] != '\0')
		json_read_fault(&r,
				"Invalid DTMF digits. Allowed: 0-9, *, #, A-D, w (0.5s pause), W (1s pause)");
	if (!verb_refuse_faults(&r, reply))
		verb_ask_worker(v, sid, MSG_WORKER_DTMF, json_pack("{s:s}", "digits", digits),
				"DTMF digits are being sent", reply);
}

static void tell_silence(struct question *q)
{
	done(q, json_pack("{s:f, s:f, s:b, s:b}", "caller", 0.0, "agent", 0.0, "callerSpeaks", 0,
			  "agentSpeaks", 0));
}

static void on_levels(void *arg, json_t *body, const struct peer_error *error)
{
	if (error != NULL)
		tell_silence(arg);
	else
		done(arg, json_incref(body));
}

/* Where nobody is on the line, not yet or no more, it is silent. */
static void call_levels(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (verb_refuse_faults(&r, reply))
		return;
	struct call *call = calls_by_sid(v->calls, sid);
	if (call != NULL && !call_is_over(call))
		worker_ask(call, MSG_WORKER_LEVELS, json_object(), on_levels, new_question(v, sid, reply));
	else
		with_call(v, sid, NULL, reply, tell_silence);
}

/* ---- all calls ---- */

struct shutdown {
	struct voiced *v;
	struct reply reply;
	unsigned pending, ended;
	json_t *failures;
};

static void shutdown_step(struct shutdown *s)
{
	if (--s->pending > 0)
		return;
	char message[96];
	size_t failed = json_array_size(s->failures);
	snprintf(message, sizeof message, "%u call(s) ended, %zu could not be ended", s->ended, failed);
	json_t *body = json_pack("{s:s, s:s, s:i, s:o}", "status", failed ? "error" : "success", "message",
				 message, "ended", (int)s->ended, "failures", s->failures);
	s->reply.done(s->reply.arg, failed ? 502 : 200, body);
	free(s);
}

struct shutdown_call {
	struct shutdown *all;
	char *sid;
};

static void on_shut_down(void *arg, const char *error)
{
	struct shutdown_call *one = arg;
	struct shutdown *s = one->all;
	if (error == NULL)
		s->ended++;
	else
		json_array_append_new(s->failures,
				      json_pack("{s:s, s:s}", "callSid", one->sid, "message", error));
	free(one->sid);
	free(one);
	shutdown_step(s);
}

static void shut_down(struct call *call, void *arg)
{
	struct shutdown *s = arg;
	if (call_is_over(call))
		return;
	struct shutdown_call *one = xcalloc(1, sizeof *one);
	*one = (struct shutdown_call){s, xstrdup(call_sid(call))};
	s->pending++;
	ending_begin(s->v, call, "emergency shutdown", on_shut_down, one);
}

static void emergency_shutdown(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	if (verb_refuse_faults(&r, reply))
		return;
	struct shutdown *s = xcalloc(1, sizeof *s);
	*s = (struct shutdown){v, reply, 1, 0, json_array()};
	calls_each(v->calls, shut_down, s);
	shutdown_step(s);
}

static void system_status(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	if (verb_refuse_faults(&r, reply))
		return;
	reply.done(reply.arg, 200,
		   json_pack("{s:s, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:s, s:s, s:o}", "status",
			     v->draining ? "draining" : "running", "draining", v->draining, "liveCalls",
			     (int)calls_count(v->calls, NULL), "outgoingCalls",
			     (int)calls_count(v->calls, "outbound"), "incomingCalls",
			     (int)calls_count(v->calls, "inbound"), "maxCalls", (int)v->config->max_calls,
			     "maxOutgoingCalls", (int)v->config->max_outgoing_calls, "maxIncomingCalls",
			     (int)v->config->max_incoming_calls, "store", store_kind_name(v->store),
			     "provider", v->config->voice_provider, "workers", workers_list(v->workers)));
}

/* ---- all verbs ---- */

static void mark_read(struct voiced *v, json_t *args, struct reply reply)
{
	voicemail_mark(v, args, reply, true);
}

static void mark_unread(struct voiced *v, json_t *args, struct reply reply)
{
	voicemail_mark(v, args, reply, false);
}

static void add_tags(struct voiced *v, json_t *args, struct reply reply)
{
	tags_change(v, args, reply, true);
}

static void remove_tags(struct voiced *v, json_t *args, struct reply reply)
{
	tags_change(v, args, reply, false);
}

static const struct {
	enum message verb;
	void (*run)(struct voiced *v, json_t *args, struct reply reply);
} verbs[] = {
	{MSG_CREATE_CALL, outgoing_place},
	{MSG_BROWSER_CALL, outgoing_place_in_browser},
	{MSG_LIST_CALLS, list_calls},
	{MSG_GET_CALL, get_call},
	{MSG_GET_TRANSCRIPT, get_transcript},
	{MSG_GET_EVENTS, get_events},
	{MSG_GET_INSTRUCTIONS, get_instructions},
	{MSG_HANGUP_CALL, hangup_call},
	{MSG_INJECT_CONTEXT, inject_context},
	{MSG_SEND_DTMF, send_dtmf},
	{MSG_CALL_LEVELS, call_levels},
	{MSG_CHECKUP, checkup_run},
	{MSG_LIST_SETTINGS, settings_list},
	{MSG_CHANGE_SETTINGS, settings_change},
	{MSG_EMERGENCY_SHUTDOWN, emergency_shutdown},
	{MSG_SYSTEM_STATUS, system_status},
	{MSG_SEARCH_CALLS, search_calls},
	{MSG_DELETE_CALL, search_delete_call},
	{MSG_DELETE_CALLS, search_delete_calls},
	{MSG_HOLD_CALL, steering_hold},
	{MSG_RESUME_CALL, steering_resume},
	{MSG_REQUEST_OPERATOR, steering_ask_operator},
	{MSG_ANSWER_OPERATOR, steering_answer_operator},
	{MSG_LIST_QUESTIONS, steering_list_questions},
	{MSG_TRANSFER_CALL, steering_transfer},
	{MSG_WAIT_CALL, waiting_wait},
	{MSG_GET_RECORDING, recordings_get},
	{MSG_CANCEL_CALL, schedule_cancel},
	{MSG_LIST_CONTEXTS, contexts_list},
	{MSG_GET_CONTEXT, contexts_get},
	{MSG_CREATE_CONTEXT, contexts_create},
	{MSG_UPDATE_CONTEXT, contexts_update},
	{MSG_DELETE_CONTEXT, contexts_delete},
	{MSG_LIST_NUMBERS, numbers_list},
	{MSG_LIST_FREE_NUMBERS, numbers_list_free},
	{MSG_LIST_HANDLERS, handlers_list},
	{MSG_GET_HANDLER, handlers_get},
	{MSG_CREATE_HANDLER, handlers_create},
	{MSG_UPDATE_HANDLER, handlers_update},
	{MSG_DELETE_HANDLER, handlers_delete},
	{MSG_LIST_VOICEMAILS, voicemail_list},
	{MSG_SEARCH_VOICEMAILS, voicemail_search},
	{MSG_GET_VOICEMAIL, voicemail_get},
	{MSG_MARK_READ, mark_read},
	{MSG_MARK_UNREAD, mark_unread},
	{MSG_DELETE_VOICEMAIL, voicemail_delete},
	{MSG_DELETE_VOICEMAILS, voicemail_delete_many},
	{MSG_COUNT_UNREAD, voicemail_count_unread},
	{MSG_LIST_BARRED, guard_list_barred},
	{MSG_BAR_NUMBER, guard_bar},
	{MSG_UNBAR_NUMBER, guard_unbar},
	{MSG_STATS, stats_tell},
	{MSG_ADD_TAGS, add_tags},
	{MSG_REMOVE_TAGS, remove_tags},
	{MSG_SEARCH_BY_TAGS, tags_search},
};

void verb_run(struct voiced *v, enum message verb, json_t *args, struct reply reply)
{
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (verbs[i].verb == verb) {
			verbs[i].run(v, args, reply);
			return;
		}
	reply.fail(reply.arg, 501, "unknown", "voiced has no such verb.");
}
