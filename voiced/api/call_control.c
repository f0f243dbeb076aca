#include "voiced/api/call_control.h"

#include "lib/base/json_build.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "voiced/api/call_commands.h"
#include "voiced/calls/hangup.h"
#include "voiced/calls/schedule.h"
#include "voiced/guard_rails/denied_numbers.h"

#include <string.h>

static void on_hung_up(void *arg, const char *error)
{
	struct call_question *q = arg;
	if (error != NULL)
		call_question_fail(q, 502, "twilio", error);
	else
		call_question_acted(q, "Call ended");
}

static void on_hung_up_elsewhere(void *arg, const struct twilio_answer *answer)
{
	on_hung_up(arg, answer->outcome == TWILIO_DONE ? NULL : answer->message);
}

/* A live call of another host is ended at Twilio: its host hears of it. */
static void hangup_elsewhere(struct call_question *q)
{
	const char *sid = json_string_value(json_object_get(q->document, "callSid"));
	bool live = json_is_true(json_object_get(q->document, "isLive"));
	if (call_question_is_scheduled(q)) {
		schedule_cancel_one(q->v, json_string_value(json_object_get(q->document, "requestId")),
				    "hung up on request, before it was placed", q->reply);
		call_question_free(q);
	} else if (live && sid != NULL && twilio_is_call_sid(sid))
		twilio_end_call(q->v->twilio, sid, on_hung_up_elsewhere, q);
	else
		call_question_not_live(q);
}

void steering_hang_up(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (answer_faults(reply, &r))
		return;
	struct call *call = calls_by_name(v->calls, sid);
	if (call != NULL && !call_is_over(call))
		ending_begin(v, call, "hung up on request", on_hung_up, call_question_new(v, sid, reply));
	else
		call_question_look_up(v, sid, NULL, reply, hangup_elsewhere);
}

void steering_inject(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *context = NULL, *sid = verb_read_sid(&r, args);
	json_read_text(&r, "context", JSON_NEEDED, 1, 32 * 1024, &context);
	if (!answer_faults(reply, &r))
		verb_ask_worker(v, sid, MSG_WORKER_INJECT, json_build("{s:s}", "context", context),
				"Context injected successfully", reply);
}

void steering_press(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *digits = NULL, *sid = verb_read_sid(&r, args);
	json_read_text(&r, "digits", JSON_NEEDED, 1, 100, &digits);
	if (digits != NULL && digits[strspn(digits, "0123456789*#ABCDabcdwW ")] != '\0')
		json_read_fault(&r,
				"Invalid DTMF digits. Allowed: 0-9, *, #, A-D, w (0.5s pause), W (1s pause)");
	if (!answer_faults(reply, &r))
		verb_ask_worker(v, sid, MSG_WORKER_DTMF, json_build("{s:s}", "digits", digits),
				"DTMF digits are being sent", reply);
}

void steering_hold(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (!answer_faults(reply, &r))
		verb_ask_worker(v, sid, MSG_WORKER_HOLD, json_object(), "Call put on hold", reply);
}

void steering_resume(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (!answer_faults(reply, &r))
		verb_ask_worker(v, sid, MSG_WORKER_RESUME, json_object(), "Call resumed", reply);
}

void steering_ask_operator(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *question = "", *sid = verb_read_sid(&r, args);
	json_read_text(&r, "question", JSON_NEEDED, 1, 4000, &question);
	if (!answer_faults(reply, &r))
		verb_ask_worker(
			v, sid, MSG_WORKER_QUESTION, json_build("{s:s}", "question", question),
			"The caller is on hold until the question is answered (phony_answer_operator)",
			reply);
}

void steering_answer_operator(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *answer = "", *sid = verb_read_sid(&r, args);
	json_read_text(&r, "answer", JSON_NEEDED, 1, 16 * 1024, &answer);
	if (!answer_faults(reply, &r))
		verb_ask_worker(v, sid, MSG_WORKER_ANSWER, json_build("{s:s}", "answer", answer),
				"The answer was given to the agent; the call goes on", reply);
}

static void add_question(struct call *call, void *arg)
{
	json_t *question = call_value(call, "operatorQuestion"), *list = arg;
	if (!json_is_object(question) || call_is_over(call))
		return;
	json_t *shown = json_copy(question);
	json_object_set_new(shown, "callSid", json_text(call_sid(call)));
	json_object_set_new(shown, "toNumber", json_text(call_text(call, "toNumber")));
	json_object_set_new(shown, "fromNumber", json_text(call_text(call, "fromNumber")));
	json_object_set_new(shown, "direction", json_text(call_text(call, "callType")));
	json_array_append_new(list, shown);
}

void steering_list_questions(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	if (answer_faults(reply, &r))
		return;
	json_t *list = json_array();
	calls_each(v->calls, add_question, list);
	size_t count = json_array_size(list);
	answer_success(reply, 200, json_build("{s:I, s:o}", "count", (json_int_t)count, "questions", list),
		       "%zu question(s) wait for an answer", count);
}

void steering_transfer(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	char why[300];
	const char *number = "", *reason = "", *sid = verb_read_sid(&r, args);
	json_read_number(&r, "toNumber", JSON_NEEDED, &number);
	json_read_text(&r, "reason", JSON_OPTIONAL, 0, 500, &reason);
	if (answer_faults(reply, &r))
		return;
	struct call *call = calls_by_name(v->calls, sid);
	if (call != NULL && call_is_browser(call)) {
		reply.fail(reply.arg, 409, "browser", "A call in the browser cannot be transferred.");
	} else if (guard_denies(v->config, number, why, sizeof why)) {
		reply.fail(reply.arg, 403, "denied", why);
	} else {
		if (call != NULL) {
			/* By which it is known again when the worker says that it is due. */
			call_put(call, "transferAsked", json_text(number));
			call_save(call, NULL, NULL);
		}
		verb_ask_worker(v, sid, MSG_WORKER_TRANSFER,
				json_build("{s:s, s:s}", "toNumber", number, "reason", reason),
				"The call is being transferred", reply);
	}
}
