#include "voiced/outgoing.h"

#include "lib/base/clock.h"
#include "lib/base/e164.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "voiced/browser.h"
#include "voiced/contexts.h"
#include "voiced/ending.h"
#include "voiced/guard.h"
#include "voiced/machine.h"
#include "voiced/options.h"
#include "voiced/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	INSTRUCTIONS_MAX = 64 * 1024,
	DUPLICATE_S = 15, /* the same number again so soon is a mistake, as in the original */
};

struct placing {
	struct voiced *v;
	char *call_id;
	struct reply reply; /* done is NULL: nobody waits any more */
	struct wall_ms since;
};

static void finish(struct placing *p, struct call *call)
{
	if (p->reply.done != NULL) {
		char message[128];
		text_printf(message, sizeof message, "Call initiated to %s using %s voice provider",
			    call_text(call, "toNumber"),
			    strcmp(call_text(call, "voiceProvider"), "openai") == 0 ? "openai"
										    : "ElevenLabs");
		p->reply.done(p->reply.arg, 201,
			      json_build("{s:s, s:s, s:s, s:s}", "callSid", call_sid(call), "status",
					 "initiated", "provider", call_text(call, "voiceProvider"), "message",
					 message));
	}
	free(p->call_id);
	free(p);
}

static void give_up(struct placing *p, struct call *call, int http_status, const char *code,
		    const char *message)
{
	if (call != NULL) {
		call_set_error(call, message, true);
		call_set_status(call, CALL_FAILED);
	}
	if (p->reply.fail != NULL)
		p->reply.fail(p->reply.arg, http_status, code, message);
	free(p->call_id);
	free(p);
}

static void on_named_stored(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct placing *p = arg;
	struct call *call = calls_by_id(p->v->calls, p->call_id);
	if (call == NULL)
		give_up(p, NULL, 502, "failed",
			"The call ended before it was confirmed; see phony_list_calls.");
	else if (error != NULL)
		give_up(p, NULL, 503, "store", error);
	else
		finish(p, call);
}

/* Twilio has the call: its name is stored, then told. */
static void named(struct placing *p, struct call *call, const char *sid)
{
	if (!call_set_sid(call, sid))
		log_call(LOG_SEV_WARN, sid, "the call is known by another SID, %s", call_sid(call));
	log_call(LOG_SEV_INFO, sid, "Twilio has taken the call to %s", call_text(call, "toNumber"));
	call_save(call, on_named_stored, p);
	if (call_is_ending(call))
		ending_begin(p->v, call, "it was ended while it was being placed", NULL, NULL);
}

static const char *sid_of(json_t *body)
{
	const char *sid = NULL;
	struct json_reader r;
	json_read_open(&r, body);
	json_read_text(&r, "sid", JSON_NEEDED, 34, 34, &sid);
	return sid;
}

/* A call of Twilio's list that can only be ours: made since then, and nobody else's. */
static const char *find_ours(struct placing *p, json_t *body)
{
	json_t *list = NULL;
	struct json_reader r;
	json_read_open(&r, body);
	json_read_any(&r, "calls", JSON_NEEDED, &list);
	size_t i;
	json_t *item;
	json_array_foreach (list, i, item) {
		const char *created = "", *direction = "", *sid = sid_of(item);
		struct wall_ms when;
		json_read_open(&r, item);
		json_read_text(&r, "date_created", JSON_OPTIONAL, 1, 64, &created);
		json_read_text(&r, "direction", JSON_OPTIONAL, 1, 64, &direction);
		if (sid != NULL && strcmp(direction, "outbound-api") == 0 && twilio_date(created, &when) &&
		    when.ms >= p->since.ms - 1000 && calls_by_sid(p->v->calls, sid) == NULL)
			return sid;
	}
	return NULL;
}

static void on_found(void *arg, const struct twilio_answer *answer)
{
	struct placing *p = arg;
	struct call *call = calls_by_id(p->v->calls, p->call_id);
	const char *sid = answer->outcome == TWILIO_DONE ? find_ours(p, answer->body) : NULL;
	if (call != NULL && call_sid(call)[0] != '\0')
		sid = call_sid(call); /* a webhook has named it meanwhile */
	if (call != NULL && sid != NULL)
		named(p, call, sid);
	else if (answer->outcome == TWILIO_DONE)
		give_up(p, call, 504, "unconfirmed",
			"Twilio gave no answer and has no such call: it was not placed. Try again.");
	else
		give_up(p, call, 504, "unconfirmed",
			"Twilio gave no answer, and does not answer whether it has the call: look with "
			"phony_list_calls before trying again.");
}

/* Nobody knows whether the call was placed: look before anything else happens. */
static void look_for(struct placing *p, struct call *call)
{
	char day[WALL_TEXT_SIZE];
	wall_format((struct wall_ms){p->since.ms - 60000}, day);
	day[10] = '\0';
	twilio_find_calls(p->v->twilio, call_text(call, "toNumber"), call_text(call, "fromNumber"), day,
			  on_found, p);
}

static void on_created(void *arg, const struct twilio_answer *answer)
{
	struct placing *p = arg;
	struct call *call = calls_by_id(p->v->calls, p->call_id);
	const char *sid = answer->outcome == TWILIO_DONE ? sid_of(answer->body) : NULL;
	if (call == NULL)
		give_up(p, NULL, 502, "failed",
			"The call ended before it was confirmed; see phony_list_calls.");
	else if (sid != NULL)
		named(p, call, sid);
	else if (answer->outcome == TWILIO_REFUSED)
		give_up(p, call, 502, "twilio", answer->message);
	else if (answer->outcome == TWILIO_UNREACHED)
		give_up(p, call, 502, "unreachable", answer->message);
	else
		look_for(p, call);
}

static void on_stored(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct placing *p = arg;
	struct voiced *v = p->v;
	struct call *call = calls_by_id(v->calls, p->call_id);
	if (error != NULL || call == NULL) {
		give_up(p, call, 503, "store", error ? error : "The call was ended.");
		return;
	}
	const char *base = v->config->public_url;
	/* Twilio repeats what could not be delivered when the fragment says so. */
	char *url = xasprintf("%s/call/outgoing?call=%s#rc=5&rp=all", base, call_token(call));
	char *status = xasprintf("%s/call/status?call=%s#rc=5&rp=all", base, call_token(call));
	char *recording = xasprintf("%s/call/recording?call=%s#rc=5&rp=all", base, call_token(call));
	char *amd = xasprintf("%s/call/amd?call=%s#rc=5&rp=all", base, call_token(call));
	int64_t ring = call_number(call, "ringTimeout"), most = call_number(call, "maxDuration");
	struct twilio_call request = {
		.to = call_text(call, "toNumber"),
		.from = call_text(call, "fromNumber"),
		.url = url,
		.status_callback = status,
		.recording_callback = json_is_true(call_value(call, "record")) ? recording : NULL,
		.machine_detection = machine_detection(call),
		.amd_callback = amd,
		.ring_timeout_s = ring > 0 ? (unsigned)ring : v->config->ring_s,
		.time_limit_s = most > 0 ? (unsigned)most : v->config->max_outgoing_duration_s,
	};
	twilio_create_call(v->twilio, &request, on_created, p);
	free(url);
	free(status);
	free(recording);
	free(amd);
}

/* A limit of ours that stands against a new call; NULL when none does. */
static const char *limit_reached(struct voiced *v, const char *to, char *why, size_t size)
{
	const struct config *config = v->config;
	double since = calls_seconds_since(v->calls, to);
	if (calls_count(v->calls, NULL) >= config->max_calls) {
		text_printf(
			why, size,
			"Too many active calls: %u of MAX_CONCURRENT_CALLS are live. Wait for one to end.",
			config->max_calls);
		return why;
	}
	if (strcmp(to, BROWSER_NUMBER) == 0)
		return NULL;
	if (calls_count(v->calls, "outbound") >= config->max_outgoing_calls) {
		text_printf(
			why, size,
			"Too many active calls: %u of MAX_CONCURRENT_OUTGOING_CALLS are live. Wait for one "
			"to end.",
			config->max_outgoing_calls);
		return why;
	}
	if (since >= 0 && since < DUPLICATE_S) {
		text_printf(why, size, "Duplicate call to %s rejected - another call was placed %.1fs ago",
			    to, since);
		return why;
	}
	return NULL;
}

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

/* A request to place a call, while it is looked at whether that may be. */
struct wish {
	struct voiced *v;
	struct reply reply;
	json_t *document;
	int64_t call_at_ms;
	bool ignore_hours, browser;
};

static void end_wish(struct wish *w)
{
	json_decref(w->document);
	free(w);
}

static const char *wish_text(const struct wish *w, const char *field)
{
	const char *text = json_string_value(json_object_get(w->document, field));
	return text ? text : "";
}

static void place(struct wish *w)
{
	char why[200];
	struct voiced *v = w->v;
	if (limit_reached(v, wish_text(w, "toNumber"), why, sizeof why) != NULL) {
		w->reply.fail(w->reply.arg, 429, "limit", why);
		return;
	}
	struct call *call = calls_restore(v->calls, w->document);
	if (w->browser) {
		browser_begin(v, call, w->reply);
		return;
	}
	struct placing *p = xcalloc(1, sizeof *p);
	*p = (struct placing){v, xstrdup(call_id(call)), w->reply, wall_now()};
	call_save(call, on_stored, p);
}

static void on_guarded(void *arg, int http_status, const char *code, const char *why)
{
	struct wish *w = arg;
	if (why != NULL)
		w->reply.fail(w->reply.arg, http_status, code, why);
	else
		place(w);
	end_wish(w);
}

static void guard(struct wish *w)
{
	if (w->browser) {
		place(w);
		end_wish(w);
	} else if (w->call_at_ms > wall_now().ms) {
		char why[300];
		if (guard_denies(w->v->config, wish_text(w, "toNumber"), why, sizeof why))
			w->reply.fail(w->reply.arg, 403, "denied", why);
		else
			schedule_call(w->v, json_incref(w->document), w->call_at_ms, w->reply);
		end_wish(w);
	} else {
		guard_check(w->v, wish_text(w, "toNumber"), w->ignore_hours, false, on_guarded, w);
	}
}

static void on_context(void *arg, const char *system_instructions, const char *error)
{
	struct wish *w = arg;
	if (error != NULL) {
		w->reply.fail(w->reply.arg, 503, "store", error);
		end_wish(w);
	} else if (system_instructions == NULL) {
		w->reply.fail(w->reply.arg, 404, "not_found",
			      "No context has this name; phony_list_contexts lists them.");
		end_wish(w);
	} else {
		json_object_set_new(w->document, "systemInstructions", json_text(system_instructions));
		guard(w);
	}
}

static void take_wish(struct voiced *v, json_t *args, bool browser, struct reply reply)
{
	struct json_reader r;
	struct call_request request;
	struct call_options options;
	read_request(v->config, args, browser, &request, &options, &r);
	if (!json_read_ok(&r)) {
		reply.fail(reply.arg, 400, "invalid", r.faults);
	} else if (v->draining) {
		reply.fail(reply.arg, 503, "ending", "phony is shutting down; it takes no new calls.");
	} else {
		struct wish *w = xcalloc(1, sizeof *w);
		*w = (struct wish){v,
				   reply,
				   calls_make_document(v->calls, &request),
				   options.call_at_ms,
				   options.ignore_hours,
				   browser};
		if (options.context != NULL)
			contexts_look_up(v, options.context, on_context, w);
		else
			guard(w);
	}
	json_decref(options.more);
}

void outgoing_place(struct voiced *v, json_t *args, struct reply reply)
{
	take_wish(v, args, false, reply);
}

void outgoing_place_in_browser(struct voiced *v, json_t *args, struct reply reply)
{
	take_wish(v, args, true, reply);
}

/* ---- scheduled calls ---- */

struct due {
	struct voiced *v;
	char *call_id;
};

static void on_due_guarded(void *arg, int http_status, const char *code, const char *why)
{
	struct due *d = arg;
	struct call *call = calls_by_id(d->v->calls, d->call_id);
	(void)http_status;
	(void)code;
	if (call != NULL && why != NULL) {
		log_warn("a scheduled call is not placed: %s", why);
		call_set_error(call, why, true);
		call_set_status(call, CALL_FAILED);
	} else if (call != NULL) {
		struct placing *p = xcalloc(1, sizeof *p);
		*p = (struct placing){.v = d->v, .call_id = xstrdup(call_id(call)), .since = wall_now()};
		call_save(call, on_stored, p);
	}
	free(d->call_id);
	free(d);
}

void outgoing_due(struct voiced *v, json_t *document)
{
	struct call *call = calls_restore(v->calls, document);
	struct due *d = xcalloc(1, sizeof *d);
	*d = (struct due){v, xstrdup(call_id(call))};
	bool ignore = json_is_true(call_value(call, "ignoreQuietHours"));
	/* Its hour was chosen on purpose; the list may have changed since. */
	guard_check(v, call_text(call, "toNumber"), ignore || call_text(call, "retryOf")[0] == '\0', true,
		    on_due_guarded, d);
}

void outgoing_recover(struct voiced *v, struct call *call)
{
	struct placing *p = xcalloc(1, sizeof *p);
	*p = (struct placing){.v = v, .call_id = xstrdup(call_id(call))};
	wall_parse(call_text(call, "startedAt"), &p->since);
	log_info("a call to %s was being placed when voiced ended: looking for it at Twilio",
		 call_text(call, "toNumber"));
	look_for(p, call);
}
