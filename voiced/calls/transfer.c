#include "voiced/calls/transfer.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/twilio/twiml.h"
#include "voiced/guard_rails/call_checks.h"
#include "voiced/shared/pending.h"
#include "voiced/webhooks/webhook.h"
#include "voiced/workers/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long Twilio, which did not answer, may take to ask for the transfer's document. */
enum { UNCLEAR_MS = 5000 };

/* A transfer on its way through the gate and to Twilio. */
struct transfer {
	struct voiced *v;
	char *call_id, *number, *reason;
	struct errand errand; /* while it is unclear */
};

static void transfer_free(struct transfer *t)
{
	free(t->call_id);
	free(t->number);
	free(t->reason);
	free(t);
}

static void on_told(void *arg, json_t *reply, const struct peer_error *error)
{
	(void)arg;
	(void)reply;
	(void)error;
}

/* A line of the transcript that nobody said. */
static void note_turn(struct call *call, const char *fmt, const char *what)
{
	char text[200];
	text_printf(text, sizeof text, fmt, what);
	call_note(call, "turn", json_build("{s:s, s:s}", "role", "system", "content", text));
}

static void failed(struct call *call, const char *why)
{
	char text[400];
	log_call(LOG_SEV_WARN, call_sid(call), "the transfer failed: %s", why);
	note_turn(call, "The transfer failed: %s", why);
	text_printf(text, sizeof text,
		    "The transfer did not work (%.*s). Tell the person, apologise, and help them yourself.",
		    TEXT_CUT(why, 200));
	call_put(call, "transferTo", json_text(""));
	call_save(call, NULL, NULL);
	if (call_worker(call) != NULL)
		worker_ask(call, MSG_WORKER_DIRECT, json_build("{s:s}", "text", text), on_told, NULL);
}

/* ---- Twilio may have taken it ---- */

/* voiced ends: the next one recovers it. */
static void unclear_drop(void *arg)
{
	struct transfer *t = arg;
	errand_end(&t->errand);
	transfer_free(t);
}

static void on_unclear_over(void *arg)
{
	struct transfer *t = arg;
	struct call *call = calls_by_id(t->v->calls, t->call_id);
	if (call != NULL && !call_is_over(call) && !call_is_ending(call) && transfer_is_unclear(call))
		failed(call, "Twilio did not answer whether it connects the call");
	unclear_drop(t);
}

/* Until Twilio asks for its document, or for UNCLEAR_MS: then it failed. t is stolen. */
static void unclear_begin(struct transfer *t)
{
	errand_begin(&t->errand, t->v, unclear_drop, t);
	errand_later(&t->errand, UNCLEAR_MS, on_unclear_over);
}

bool transfer_is_unclear(const struct call *call)
{
	return call_text(call, "transferTo")[0] != '\0' && json_is_false(call_value(call, "transferDialled"));
}

void transfer_recover(struct voiced *v, struct call *call)
{
	struct transfer *t = xcalloc(1, sizeof *t);
	*t = (struct transfer){.v = v, .call_id = xstrdup(call_id(call))};
	unclear_begin(t);
}

/* ---- the way to Twilio ---- */

static void on_redirected(void *arg, const struct twilio_answer *answer)
{
	struct transfer *t = arg;
	struct call *call = calls_by_id(t->v->calls, t->call_id);
	if (answer->outcome == TWILIO_REFUSED || answer->outcome == TWILIO_UNREACHED)
		gate_give_back(t->v, NULL);
	if (answer->outcome == TWILIO_AMBIGUOUS) {
		unclear_begin(t);
		return;
	}
	if (call != NULL && answer->outcome != TWILIO_DONE)
		failed(call, answer->message);
	transfer_free(t);
}

static void on_gate(void *arg, const struct gate_verdict *verdict)
{
	struct transfer *t = arg;
	struct call *call = calls_by_id(t->v->calls, t->call_id);
	bool live = call != NULL && !call_is_over(call) && !call_is_ending(call);
	if (verdict->rule == GATE_OPEN && !live)
		gate_give_back(t->v, NULL);
	if (verdict->rule != GATE_OPEN && live)
		failed(call, verdict->why);
	if (verdict->rule != GATE_OPEN || !live) {
		transfer_free(t);
		return;
	}
	log_call(LOG_SEV_INFO, call_sid(call), "transferring the call to %s: %s", t->number, t->reason);
	note_turn(call, "The call is transferred to %s.", t->number);
	int64_t transfers = call_number(call, "transfers") + 1;
	call_put(call, "transfers", json_integer(transfers));
	call_save(call, NULL, NULL);
	char *url = xasprintf("%s/call/transfer?call=%s&again=%lld", t->v->config->public_url,
			      call_token(call), (long long)transfers);
	twilio_redirect_call(t->v->twilio, call_sid(call), url, on_redirected, t);
	free(url);
}

/* The worker says when; where to is not its to choose: the call's own number, or what a person asked for. */
static bool was_asked_for(const struct call *call, const char *number)
{
	return strcmp(number, call_text(call, "transferNumber")) == 0 ||
	       strcmp(number, call_text(call, "transferAsked")) == 0;
}

void transfer_begin(struct voiced *v, struct call *call, const char *number, const char *reason)
{
	if (call_text(call, "transferTo")[0] != '\0' || call_is_over(call) || call_is_ending(call))
		return; /* a repeat */
	if (call_is_browser(call)) {
		failed(call, "a call in the browser cannot be transferred");
		return;
	}
	if (!was_asked_for(call, number)) {
		failed(call, "nobody asked for a transfer to this number");
		return;
	}
	struct transfer *t = xcalloc(1, sizeof *t);
	*t = (struct transfer){.v = v,
			       .call_id = xstrdup(call_id(call)),
			       .number = xstrdup(number),
			       .reason = xstrdup(reason)};
	/* A number's own transferNumber is its owner's, who chose it for callers at any hour. */
	bool own = call_is_inbound(call) && strcmp(call_text(call, "transferNumber"), number) == 0;
	call_put(call, "transferTo", json_text(number)); /* one at a time */
	call_put(call, "transferDialled", json_false());
	const struct gate_request request = {
		.action = GATE_TRANSFER,
		.number = number,
		.at_any_hour = own || json_is_true(call_value(call, "ignoreQuietHours"))};
	gate_ask(v, &request, on_gate, t);
}

/* ---- what Twilio asks then ---- */

void transfer_dial(struct hook *h, struct call *call)
{
	struct buffer b = {0};
	const char *number = call_text(call, "transferTo");
	if (call_is_over(call) || call_is_ending(call)) {
		hook_reply_hangup(h, NULL);
		return;
	}
	if (number[0] == '\0') { /* the agent was told that it failed: it has the call again */
		h->attempt = call_attempt(call) + 1;
		hook_connect(h, call);
		return;
	}
	call_put(call, "transferDialled", json_true());
	call_save(call, NULL, NULL);
	char *done = xasprintf("%s/call/transferred?call=%s&again=%lld", h->v->config->public_url,
			       call_token(call), (long long)call_number(call, "transfers"));
	twiml_open(&b);
	twiml_dial(&b, number, call_text(call, call_is_inbound(call) ? "toNumber" : "fromNumber"), done);
	free(done);
	hook_reply_twiml(h, &b);
}

void transfer_done(struct hook *h, struct call *call)
{
	const char *status = hook_field(h, "DialCallStatus");
	int64_t transfer = atoll(hook_query(h, "again"));
	if (transfer > 0 && call_number(call, "transfersDone") >= transfer && !call_is_over(call)) {
		h->attempt = call_attempt(call); /* a repeat: the stream that it was answered with */
		hook_connect(h, call);
		return;
	}
	call_put(call, "transfersDone", json_integer(transfer));
	bool talked = strcmp(status, "completed") == 0 || strcmp(status, "answered") == 0;
	if (talked || call_is_over(call) || call_is_ending(call)) {
		if (talked)
			note_turn(call, "The transferred call ended: %s", status);
		hook_reply_hangup(h, NULL);
		return;
	}
	char words[300];
	note_turn(call, "The transfer was not answered: %s", status);
	text_printf(words, sizeof words,
		    "I am sorry, nobody could take the call just now. Can I help you with something else?");
	call_put(call, "transferTo", json_text(""));
	call_put(call, "goOn", json_text(words));
	h->attempt = call_attempt(call) + 1;
	hook_connect(h, call);
}
