#include "voiced/calls/create.h"

#include "lib/base/clock.h"
#include "lib/base/e164.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "voiced/calls/browser_call.h"
#include "voiced/calls/contexts.h"
#include "voiced/calls/create_options.h"
#include "voiced/calls/placement.h"
#include "voiced/calls/schedule.h"
#include "voiced/guard_rails/call_checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	INSTRUCTIONS_MAX = 64 * 1024,
};

/* A call in the browser has no numbers, and nothing of what Twilio does. */
static void refuse_telephony(struct json_reader *r)
{
	static const char *const members[] = {
		"toNumber",         "fromNumber", "callAt",     "ringTimeout",    "machineDetection",
		"voicemailMessage", "retries",    "retryDelay", "transferNumber", NULL};
	for (const char *const *name = members; *name != NULL; name++)
		if (json_read_given(r, *name))
			json_read_fault(r, "%s means nothing in a call in the browser", *name);
}

static void read_request(const struct config *config, json_t *args, bool browser, struct call_request *c,
			 struct call_options *o, struct json_reader *r)
{
	*c = (struct call_request){.call_type = browser ? "browser" : "outbound",
				   .from_number = browser ? BROWSER_NUMBER : config->twilio_number,
				   .to_number = browser ? BROWSER_NUMBER : "",
				   .provider = config->voice_provider,
				   .voice = config->openai_voice,
				   .agent_id = config->elevenlabs_agent_id,
				   .voice_id = config->elevenlabs_voice_id,
				   .system_instructions = "",
				   .call_instructions = ""};
	json_read_open(r, args);
	options_read(config, r, o);
	if (!browser)
		json_read_text(r, "toNumber", JSON_NEEDED, 1, 64, &c->to_number);
	json_read_text(r, "systemInstructions", o->context ? JSON_OPTIONAL : JSON_NEEDED, 1, INSTRUCTIONS_MAX,
		       &c->system_instructions);
	json_read_text(r, "callInstructions", JSON_NEEDED, 1, INSTRUCTIONS_MAX, &c->call_instructions);
	json_read_text(r, "provider", JSON_OPTIONAL, 1, 32, &c->provider);
	json_read_text(r, "voice", JSON_OPTIONAL, 0, 128, &c->voice);
	json_read_text(r, "elevenLabsAgentId", JSON_OPTIONAL, 1, 128, &c->agent_id);
	json_read_text(r, "elevenLabsVoiceId", JSON_OPTIONAL, 0, 128, &c->voice_id);
	if (!browser)
		json_read_text(r, "fromNumber", JSON_OPTIONAL, 1, 64, &c->from_number);
	if (browser)
		refuse_telephony(r);
	json_read_close(r, JSON_OTHERS_LOGGED);
	c->more = o->more;
	if (o->context != NULL && c->system_instructions[0] != '\0')
		json_read_fault(r, "give context or systemInstructions, not both");
	if (!browser && c->to_number[0] != '\0' && !e164_valid(c->to_number))
		json_read_fault(r, "toNumber: %s", E164_ADVICE);
	if (!browser && !e164_valid(c->from_number))
		json_read_fault(r, "fromNumber: %s", E164_ADVICE);
	bool openai = strcmp(c->provider, "openai") == 0;
	if (openai && config->openai_api_key[0] == '\0' && !url_is_loopback(config->openai_websocket_url))
		json_read_fault(r, "provider openai: OPENAI_API_KEY is not set");
	else if (!openai && strcmp(c->provider, "elevenlabs") != 0)
		json_read_fault(r, "provider must be openai or elevenlabs");
	else if (!openai && c->agent_id[0] == '\0')
		json_read_fault(r, "elevenLabsAgentId is missing, and ELEVENLABS_AGENT_ID is not set");
}

/* ---- through the gate ---- */

/* A request to place a call, until the gate has opened. */
struct call_attempt {
	struct voiced *v;
	struct reply reply;
	json_t *document;
	char *call_id; /* of the one in the register, once it counts */
	enum gate_action action;
	int64_t call_at_ms, asked_ms;
	bool ignore_hours;
};

static void attempt_free(struct call_attempt *a)
{
	json_decref(a->document);
	free(a->call_id);
	free(a);
}

static const char *attempt_text(const struct call_attempt *a, const char *field)
{
	const char *text = json_string_value(json_object_get(a->document, field));
	return text ? text : "";
}

static void on_gate(void *arg, const struct gate_verdict *verdict)
{
	struct call_attempt *a = arg;
	const char *why = verdict->rule == GATE_OPEN ? NULL : verdict->why;
	struct call *call = a->call_id ? calls_by_id(a->v->calls, a->call_id) : NULL;
	if (why == NULL && a->call_id != NULL && (call == NULL || call_is_ending(call))) {
		gate_give_back(a->v, a->action == GATE_CALL ? attempt_text(a, "toNumber") : NULL);
		why = "The call was ended before it was placed.";
	}
	if (why != NULL) {
		if (call != NULL && call_is_ending(call)) { /* it is stored */
			call_set_error(call, why, true);
			call_set_status(call, CALL_FAILED);
		} else if (call != NULL) {
			calls_forget(call);
		}
		a->reply.fail(a->reply.arg, verdict->http_status ? verdict->http_status : 502,
			      verdict->code ? verdict->code : "failed", why);
	} else if (a->action == GATE_SCHEDULE) {
		schedule_call(a->v, json_incref(a->document), a->call_at_ms, a->reply);
	} else if (a->action == GATE_BROWSER_CALL) {
		browser_begin(a->v, call, a->reply);
	} else {
		placement_begin(a->v, call, a->reply);
	}
	attempt_free(a);
}

static void attempt_ask_gate(struct call_attempt *a)
{
	/* In the register it counts at once, among requests that come at the same time. */
	struct call *call = a->action != GATE_SCHEDULE ? calls_admit(a->v->calls, a->document) : NULL;
	a->call_id = call ? xstrdup(call_id(call)) : NULL;
	const struct gate_request request = {
		.action = a->action,
		.number = a->action == GATE_BROWSER_CALL ? NULL : attempt_text(a, "toNumber"),
		.call = call,
		.at_ms = a->action == GATE_SCHEDULE ? a->call_at_ms : 0,
		.asked_ms = a->asked_ms,
		.at_any_hour = a->ignore_hours};
	gate_ask(a->v, &request, on_gate, a);
}

static void on_context(void *arg, const char *system_instructions, const char *error)
{
	struct call_attempt *a = arg;
	if (answer_store_error(a->reply, error)) {
		attempt_free(a);
	} else if (system_instructions == NULL) {
		a->reply.fail(a->reply.arg, 404, "not_found",
			      "No context has this name; phony_list_contexts lists them.");
		attempt_free(a);
	} else {
		json_object_set_new(a->document, "systemInstructions", json_text(system_instructions));
		attempt_ask_gate(a);
	}
}

static void attempt_begin(struct voiced *v, json_t *args, bool browser, struct reply reply)
{
	struct json_reader r;
	struct call_request request;
	struct call_options options;
	int64_t now = wall_now().ms;
	read_request(v->config, args, browser, &request, &options, &r);
	if (!json_read_ok(&r)) {
		reply.fail(reply.arg, 400, "invalid", r.faults);
	} else if (v->draining) {
		reply.fail(reply.arg, 503, "ending", "phony is shutting down; it takes no new calls.");
	} else {
		struct call_attempt *a = xcalloc(1, sizeof *a);
		*a = (struct call_attempt){.v = v,
					   .reply = reply,
					   .document = calls_make_document(v->calls, &request),
					   .action = browser                    ? GATE_BROWSER_CALL
						     : options.call_at_ms > now ? GATE_SCHEDULE
										: GATE_CALL,
					   .call_at_ms = options.call_at_ms,
					   .asked_ms = now,
					   .ignore_hours = options.ignore_hours};
		if (options.context != NULL)
			contexts_look_up(v, options.context, on_context, a);
		else
			attempt_ask_gate(a);
	}
	json_decref(options.more);
}

void outgoing_place(struct voiced *v, json_t *args, struct reply reply)
{
	attempt_begin(v, args, false, reply);
}

void outgoing_place_in_browser(struct voiced *v, json_t *args, struct reply reply)
{
	attempt_begin(v, args, true, reply);
}

/* ---- scheduled calls ---- */

struct due_call {
	struct voiced *v;
	char *call_id;
};

static void on_due_gate(void *arg, const struct gate_verdict *verdict)
{
	struct due_call *d = arg;
	struct call *call = calls_by_id(d->v->calls, d->call_id);
	const struct reply nobody = {NULL, NULL, NULL};
	if (call == NULL || call_is_over(call)) {
		if (verdict->rule == GATE_OPEN)
			gate_give_back(d->v, NULL);
	} else if (verdict->rule == GATE_OPEN) {
		placement_begin(d->v, call, nobody);
	} else if (verdict->again_ms == 0 ||
		   !schedule_postpone(d->v, call, verdict->again_ms, verdict->why)) {
		log_warn("a scheduled call is not placed: %s", verdict->why);
		call_set_error(call, verdict->why, true);
		call_set_status(call, verdict->rule == GATE_STOPPED ? CALL_CANCELED : CALL_FAILED);
	}
	free(d->call_id);
	free(d);
}

void outgoing_due(struct voiced *v, json_t *document, int64_t due_ms)
{
	struct wall_ms asked = {due_ms};
	struct call *call = calls_admit(v->calls, document);
	struct due_call *d = xcalloc(1, sizeof *d);
	*d = (struct due_call){v, xstrdup(call_id(call))};
	wall_parse(call_text(call, "scheduledAt"), &asked);
	if (schedule_is_late(call, wall_now().ms)) {
		char why[200];
		text_printf(why, sizeof why,
			    "It was to be placed at %s; phony could not place it within a day of that.",
			    call_text(call, "callAt"));
		call_set_error(call, why, true);
		call_set_status(call, CALL_FAILED);
		free(d->call_id);
		free(d);
		return;
	}
	const struct gate_request request = {.action = GATE_DUE_CALL,
					     .number = call_text(call, "toNumber"),
					     .call = call,
					     .asked_ms = asked.ms,
					     .at_any_hour =
						     json_is_true(call_value(call, "ignoreQuietHours"))};
	gate_ask(v, &request, on_due_gate, d);
}
