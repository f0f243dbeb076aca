#include "voiced/api/emergency_shutdown.h"

#include "lib/base/buffer.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "voiced/api/call_commands.h"
#include "voiced/calls/hangup.h"
#include "voiced/calls/schedule.h"
#include "voiced/frontend/handoff.h"
#include "voiced/guard_rails/quota.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELSEWHERE_MAX = 10000 };

/*
 * Everything that could ring a phone or cost money: live calls of all hosts,
 * scheduled calls and retries, what passes the gate just now, and messages that
 * wait (smsd's). Each is tried whatever becomes of the others.
 */
struct shutdown {
	struct voiced *v;
	struct reply reply;
	unsigned pending, ended, canceled;
	json_int_t messages;
	json_t *failures;
	/* callIds of this host's calls: they are ended once, though it may let go of one meanwhile, and
	 * the store call it live for a moment more. */
	json_t *own;
};

static void add_failure(struct shutdown *s, const char *what, const char *why)
{
	json_array_append_new(s->failures, json_build("{s:s, s:s}", "callSid", what, "message", why));
}

/* "2 call(s) ended, …; not ended: CA… (why), the messages (why)", for a person. */
static void tell_failures(const struct shutdown *s, const char *message)
{
	struct buffer text = {0};
	size_t i;
	json_t *one;
	buffer_append_text(&text, message);
	json_array_foreach (s->failures, i, one) {
		buffer_append_text(&text, i ? ", " : "; NOT ended: ");
		buffer_append_text(&text, json_string_value(json_object_get(one, "callSid")));
		buffer_append_text(&text, " (");
		buffer_append_text(&text, json_string_value(json_object_get(one, "message")));
		buffer_append_text(&text, ")");
	}
	buffer_append(&text, "", 1);
	s->reply.fail(s->reply.arg, 502, "incomplete", (char *)text.data);
	buffer_free(&text);
}

static void step(struct shutdown *s)
{
	if (--s->pending > 0)
		return;
	char message[200];
	text_printf(
		message, sizeof message,
		"%u call(s) ended, %zu could not be ended; %u scheduled call(s) and %lld message(s) canceled",
		s->ended, json_array_size(s->failures), s->canceled, (long long)s->messages);
	log_warn("emergency shutdown: %s", message);
	if (json_array_size(s->failures) > 0)
		tell_failures(s, message);
	else
		s->reply.done(s->reply.arg, 200,
			      json_build("{s:s, s:s, s:i, s:i, s:I, s:O}", "status", "success", "message",
					 message, "ended", (int)s->ended, "canceled", (int)s->canceled,
					 "messagesCanceled", s->messages, "failures", s->failures));
	json_decref(s->failures);
	json_decref(s->own);
	free(s);
}

struct one {
	struct shutdown *all;
	char *sid;
};

static struct one *begin_one(struct shutdown *s, const char *sid)
{
	struct one *one = xcalloc(1, sizeof *one);
	*one = (struct one){s, xstrdup(sid)};
	s->pending++;
	return one;
}

static void on_ended(void *arg, const char *error)
{
	struct one *one = arg;
	struct shutdown *s = one->all;
	if (error == NULL)
		s->ended++;
	else
		add_failure(s, one->sid, error);
	free(one->sid);
	free(one);
	step(s);
}

static void end_ours(struct call *call, void *arg)
{
	struct shutdown *s = arg;
	if (!call_is_ours(call))
		return;
	json_object_set_new(s->own, call_id(call), json_true());
	if (!call_is_over(call))
		ending_begin(s->v, call, "emergency shutdown", on_ended, begin_one(s, call_sid(call)));
}

static void on_ended_elsewhere(void *arg, const struct twilio_answer *answer)
{
	on_ended(arg, answer->outcome == TWILIO_DONE ? NULL : answer->message);
}

/*
 * What other hosts serve is ended at Twilio: they hear of it there. The store knows
 * which of them are live; what this host has of one may be of before its end.
 */
static void on_found(void *arg, json_t *result, const char *error)
{
	struct shutdown *s = arg;
	size_t i;
	json_t *call;
	if (error != NULL || json_object_get(result, "incomplete") != NULL)
		add_failure(s, "other hosts' calls", error ? error : "the database is away");
	json_array_foreach (json_object_get(result, "documents"), i, call) {
		const char *id = json_string_value(json_object_get(call, "callId"));
		const char *sid = json_string_value(json_object_get(call, "callSid"));
		if (id == NULL || json_object_get(s->own, id) != NULL)
			continue;
		if (sid != NULL && twilio_is_call_sid(sid))
			twilio_end_call(s->v->twilio, sid, on_ended_elsewhere, begin_one(s, sid));
		else
			add_failure(s, json_string_value(json_object_get(call, "requestId")),
				    "another host is placing it just now; try again");
	}
	step(s);
}

static void on_canceled(void *arg, unsigned canceled, const char *error)
{
	struct shutdown *s = arg;
	s->canceled = canceled;
	if (error != NULL)
		add_failure(s, "scheduled calls", error);
	step(s);
}

static void end_the_rest(struct shutdown *s)
{
	struct store_query live = {.where = json_build("[[s, s, [s, s, s]]]", "status", "in", "initiated",
						       "ringing", "in-progress"),
				   .limit = ELSEWHERE_MAX};
	schedule_cancel_all(s->v, "emergency shutdown", on_canceled, s);
	store_find(s->v->store, STORE_CALLS, &live, on_found, s);
}

/* From here on the gate opens for nothing that was asked for before, on any host. */
static void on_stopped(void *arg, const char *error)
{
	struct shutdown *s = arg;
	if (error != NULL)
		add_failure(s, "calls that other hosts are about to place", error);
	end_the_rest(s);
	step(s);
}

static void on_messages(void *arg, json_t *body, const struct peer_error *error)
{
	struct shutdown *s = arg;
	if (error != NULL)
		add_failure(s, "messages", error->message);
	else
		s->messages = json_integer_value(json_object_get(body, "canceled")) +
			      json_integer_value(json_object_get(body, "stopping"));
	step(s);
}

void shutdown_run(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	if (answer_faults(reply, &r))
		return;
	struct shutdown *s = xcalloc(1, sizeof *s);
	*s = (struct shutdown){
		.v = v, .reply = reply, .pending = 5, .failures = json_array(), .own = json_object()};
	calls_each(v->calls, end_ours, s);
	handover_ask(v->to_smsd, MSG_STOP_MESSAGES, json_object(), on_messages, s);
	quota_stop(v->quota, on_stopped, s);
	step(s);
}
