#include "callworker/providers/openai_inside.h"
#include "callworker/providers/openai_messages.h"
#include "lib/base/log.h"

#include <stdio.h>
#include <string.h>

enum {
	RETRIES = 3,
	LOST_END_MS =
		10000, /* a response of which only an error told, or that was cancelled, is over by then */
};

static void on_patience(void *arg)
{
	struct openai *o = arg;
	if (o->turn.state == RESPONSE_ASKED)
		openai_responses_fail(o, RESPONSE_TIMEOUT, "OpenAI did not answer response.create");
	else
		openai_responses_step(o, RESPONSE_TIMEOUT);
}

static void event_name(const struct openai *o, const char *kind, char out[32])
{
	snprintf(out, 32, "%s_%u", kind, o->asked);
}

static void cancel(struct openai *o)
{
	char event[32];
	event_name(o, "cancel", event);
	snprintf(o->stale, sizeof o->stale, "%s", o->response);
	openai_send(o, openai_cancel(o->response, event));
}

static void create(struct openai *o)
{
	char event[32];
	o->asked++;
	event_name(o, "create", event);
	openai_send(o, openai_create(event));
}

void openai_responses_step(struct openai *o, enum response_event event)
{
	enum response_state before = o->turn.state;
	enum response_action action = response_next(&o->turn, event);
	int ms = response_patience_ms(o->turn.state);
	if (o->turn.state == RESPONSE_WAITING)
		ms *= o->failures > 0 ? (int)o->failures : 1;
	if (o->turn.state == RESPONSE_ACTIVE && event == RESPONSE_BUSY && before != RESPONSE_ACTIVE)
		ms = LOST_END_MS;
	if (o->turn.state != before || event == RESPONSE_TIMEOUT || action == RESPONSE_CREATE) {
		ws_timer_stop(o->loop, &o->turn_timer);
		if (ms > 0)
			ws_timer_start(o->loop, &o->turn_timer, ms, on_patience, o);
	}
	if (action == RESPONSE_CREATE)
		create(o);
	else if (action == RESPONSE_CANCEL)
		cancel(o);
}

void openai_responses_fail(struct openai *o, enum response_event event, const char *why)
{
	if (++o->failures > RETRIES) {
		openai_give_up(o, PROVIDER_LOST, why);
		return;
	}
	log_warn("%s; trying again", why);
	openai_responses_step(o, event);
}

bool openai_responses_error(struct openai *o, const char *event, const char *code, const char *message,
			    const char *why)
{
	char ours[32];
	event_name(o, "create", ours);
	bool asked = o->turn.state == RESPONSE_ASKED || o->turn.state == RESPONSE_CALLER_ASKED;
	if (strcmp(code, "response_cancel_not_active") == 0)
		return true; /* it had ended by itself */
	if (openai_is_busy(code, message)) {
		openai_responses_fail(o, RESPONSE_BUSY, why);
		return true;
	}
	/* Not every server tells which event was wrong. */
	if (o->asked == 0 || (event[0] != '\0' ? strcmp(event, ours) != 0 : !asked))
		return false;
	openai_responses_fail(o, RESPONSE_REFUSED, why);
	return true;
}

void openai_responses_cancel(struct openai *o)
{
	if (o->turn.state != RESPONSE_ACTIVE)
		return;
	cancel(o);
	ws_timer_start(o->loop, &o->turn_timer, LOST_END_MS, on_patience, o);
}

void openai_responses_look(struct openai *o)
{
	if (function_calls_settled(o->calls))
		openai_responses_step(o, RESPONSE_WANTED);
}
