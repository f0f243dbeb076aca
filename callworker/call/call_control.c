#include "callworker/call/call_control.h"

#include "callworker/audio/dtmf.h"
#include "callworker/call/call_inside.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"

#include <stdlib.h>
#include <string.h>

/* A text of the question's body; NULL: the question was refused. */
static const char *question_text(struct call *c, const struct frame *f, const char *name, size_t max)
{
	const char *text = NULL;
	struct json_reader r;
	json_read_open(&r, f->body);
	json_read_text(&r, name, JSON_NEEDED, 1, max, &text);
	if (json_read_ok(&r))
		return text;
	control_refuse(c->control, f, "invalid", r.faults, 400);
	return NULL;
}

/* Whether the agent can be spoken with; else the question was refused. */
static bool needs_live(struct call *c, const struct frame *f)
{
	if (call_state_is_live(c->state) && agent_is_ready(c->agent))
		return true;
	control_refuse(c->control, f, "not_live", "The call is not live (yet, or any more).", 409);
	return false;
}

static void done(struct call *c, const struct frame *f, const char *fault, const char *code)
{
	if (fault != NULL)
		control_refuse(c->control, f, code, fault, strcmp(code, "invalid") == 0 ? 400 : 409);
	else
		control_reply(c->control, f, json_object());
}

static void on_inject(struct call *c, const struct frame *f)
{
	const char *context = question_text(c, f, "context", 64 * 1024);
	if (context == NULL || !needs_live(c, f))
		return;
	char *text = xasprintf("OPERATOR INSTRUCTION:\n%s", context);
	agent_inject(c->agent, text);
	free(text);
	call_tell_text(c, "context-injected", "context", context);
	done(c, f, NULL, "");
}

static void on_dtmf(struct call *c, const struct frame *f)
{
	const char *digits = question_text(c, f, "digits", DTMF_DIGITS_MAX * 2 - 1);
	if (digits != NULL && needs_live(c, f))
		done(c, f, tools_press(c->tools, digits), "invalid");
}

static void on_hold(struct call *c, const struct frame *f)
{
	if (!needs_live(c, f))
		return;
	const char *fault = NULL;
	c->directive = "OPERATOR INSTRUCTION:\nTell the person in one short, courteous sentence "
		       "that you are putting them on hold for a moment, then wait.";
	if (call_event(c, EV_HOLD))
		call_tell(c, "hold", json_object());
	else if (c->state == CALL_HELD || c->state == CALL_HELD_ASKING)
		fault = "The call is on hold already.";
	else
		fault = "The call is being transferred: it cannot be put on hold.";
	done(c, f, fault, "held");
}

static void on_resume(struct call *c, const struct frame *f)
{
	const char *fault = NULL;
	c->directive =
		"OPERATOR INSTRUCTION:\nYou are back with the person, who heard nothing of what you said "
		"meanwhile. Thank them for waiting and go on where you were.";
	if (call_event(c, EV_RESUME))
		call_tell(c, "resume", json_object());
	else if (operator_waits(c->operator))
		fault = "A question to the operator is open: answer it first.";
	else
		fault = "The call is not on hold.";
	done(c, f, fault, "not_held");
}

static void on_direct(struct call *c, const struct frame *f)
{
	const char *directive = question_text(c, f, "text", 16 * 1024);
	bool interrupt = json_is_true(json_object_get(f->body, "interrupt"));
	if (directive == NULL || !needs_live(c, f))
		return;
	if (interrupt)
		agent_interrupt(c->agent);
	call_event(c, EV_DIRECT);
	char *text = xasprintf("OPERATOR INSTRUCTION:\n%s", directive);
	agent_direct(c->agent, text);
	free(text);
	call_tell_text(c, "directed", "text", directive);
	done(c, f, NULL, "");
}

static void on_operator_question(struct call *c, const struct frame *f)
{
	const char *question = question_text(c, f, "question", 4000), *fault = NULL;
	if (question == NULL || !needs_live(c, f))
		return;
	c->directive = OPERATOR_ANNOUNCE;
	if (operator_waits(c->operator))
		fault = "A question is open already; wait for its answer";
	else if (call_event(c, EV_QUESTION))
		operator_ask(c->operator, NULL, question);
	else
		fault = "The call is being transferred: no question can be asked any more.";
	done(c, f, fault, "asked");
}

static void on_operator_answer(struct call *c, const struct frame *f)
{
	const char *answer = question_text(c, f, "answer", 16 * 1024);
	if (answer != NULL)
		done(c, f, operator_answer(c->operator, answer), "not_asked");
}

static void on_transfer(struct call *c, const struct frame *f)
{
	const char *number = question_text(c, f, "toNumber", 32);
	const char *reason = json_string_value(json_object_get(f->body, "reason"));
	if (number == NULL || !needs_live(c, f))
		return;
	done(c, f, call_transfer(c, EV_TRANSFER, number, reason ? reason : ""), "transferring");
}

/* Who speaks, and how loud, on a scale from 0 to 1. */
static void on_levels(struct call *c, const struct frame *f)
{
	int ahead_ms = playout_ahead_ms(c->playout);
	control_reply(c->control, f,
		      json_build("{s:f, s:f, s:b, s:b}", "caller", levels_of_caller(&c->levels) / 127.0,
				 "agent", levels_of_agent(&c->levels, ahead_ms) / 127.0, "callerSpeaks",
				 c->figures.vad.speaking, "agentSpeaks", ahead_ms > 0));
}

/* voiced is ending the call; the carrier ends the stream, if not we. */
static void on_hangup(struct call *c, const struct frame *f)
{
	bool close = json_is_true(json_object_get(f->body, "close"));
	done(c, f, NULL, "");
	call_event(c, EV_HANGUP);
	if (close && (c->state == CALL_LEAVING || c->state == CALL_LEAVING_REPORTING))
		twilio_stream_close(c->stream);
}

static const struct {
	enum message type;
	void (*handle)(struct call *c, const struct frame *f);
} questions[] = {
	{MSG_WORKER_INJECT, on_inject},
	{MSG_WORKER_DTMF, on_dtmf},
	{MSG_WORKER_HANGUP, on_hangup},
	{MSG_WORKER_HOLD, on_hold},
	{MSG_WORKER_RESUME, on_resume},
	{MSG_WORKER_DIRECT, on_direct},
	{MSG_WORKER_QUESTION, on_operator_question},
	{MSG_WORKER_ANSWER, on_operator_answer},
	{MSG_WORKER_TRANSFER, on_transfer},
	{MSG_WORKER_LEVELS, on_levels},
};

void steering_answer(void *arg, const struct frame *f)
{
	struct call *c = arg;
	for (size_t i = 0; c->agent != NULL && i < sizeof questions / sizeof *questions; i++)
		if (f->type == questions[i].type) {
			questions[i].handle(c, f);
			return;
		}
	control_refuse(c->control, f, "unknown", "A callworker answers no such question.", 501);
}
