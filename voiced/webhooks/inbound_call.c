/*
 * A call to one of our numbers: its handler says whether the agent answers, a
 * message is told, or a voicemail is taken.
 */
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/store.h"
#include "lib/twilio/twiml.h"
#include "voiced/calls/hangup.h"
#include "voiced/calls/host_takeover.h"
#include "voiced/numbers/incoming_configs.h"
#include "voiced/webhooks/webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CAPACITY "Sorry, we are currently at maximum capacity. Please try again later."
#define UNKNOWN "This number does not take calls. Please send a text message instead. Goodbye."
#define REFUSED "We are sorry, your call cannot be taken. Goodbye."
#define GREETING \
	"Nobody can take your call now. Please leave a message after the tone, and press the hash key."

static const char *text_of(const json_t *handler, const char *field, const char *fallback)
{
	const char *text = json_string_value(json_object_get(handler, field));
	return text != NULL && text[0] != '\0' ? text : fallback;
}

static bool says(const json_t *handler, const char *field)
{
	return json_is_true(json_object_get(handler, field));
}

static bool is_blocked(const json_t *handler, const char *from)
{
	size_t i;
	json_t *one;
	json_array_foreach (json_object_get(handler, "blockedCallers"), i, one)
		if (json_is_string(one) && strcasecmp(json_string_value(one), from) == 0)
			return true;
	return false;
}

/* A call of the original has its provider under the same name, but perhaps one that is not configured. */
static const char *provider_of(const struct config *config, const json_t *handler)
{
	const char *provider = text_of(handler, "voiceProvider", config->voice_provider);
	return strcmp(provider, "openai") == 0 || strcmp(provider, "elevenlabs") == 0
		       ? provider
		       : config->voice_provider;
}

static struct call *new_call(struct hook *h, const json_t *handler, const char *handled_by)
{
	const struct config *config = h->v->config;
	json_t *more = json_build("{s:s, s:s}", "handledBy", handled_by, "handlerName",
				  text_of(handler, "name", ""));
	const char *transfer = text_of(handler, "transferNumber", "");
	if (transfer[0] != '\0')
		json_object_set_new(more, "transferNumber", json_text(transfer));
	if (config->record_calls || says(handler, "record"))
		json_object_set_new(more, "record", json_true());
	struct call_request r = {
		.call_type = "inbound",
		.from_number = hook_field(h, "From"),
		.to_number = hook_field(h, "To"),
		.provider = provider_of(config, handler),
		.voice = text_of(handler, "voice", config->openai_voice),
		.agent_id = text_of(handler, "elevenLabsAgentId", config->elevenlabs_agent_id),
		.voice_id = text_of(handler, "elevenLabsVoiceId", config->elevenlabs_voice_id),
		.system_instructions =
			text_of(handler, "systemInstructions", "You are a friendly assistant."),
		.call_instructions = text_of(handler, "callInstructions", "Find out what the caller needs."),
		.more = more,
	};
	struct call *call = calls_create(h->v->calls, &r);
	json_decref(more);
	ending_name(h->v, call, hook_field(h, "CallSid"), true);
	call_set_status(call, CALL_IN_PROGRESS);
	h->call_id = xstrdup(call_id(call));
	return call;
}

static void take_voicemail(struct hook *h, const json_t *handler)
{
	struct buffer b = {0};
	json_int_t most = json_integer_value(json_object_get(handler, "voicemailMaxLength"));
	const char *base = h->v->config->public_url;
	char *recorded = xasprintf("%s/voicemail/recording", base);
	char *transcribed = xasprintf("%s/voicemail/transcription#rc=5&rp=all", base);
	twiml_open(&b);
	twiml_say(&b, text_of(handler, "voicemailGreeting", GREETING));
	twiml_record(&b, recorded, transcribed, most > 0 ? (unsigned)most : 120);
	twiml_say(&b, "No message was recorded. Goodbye.");
	twiml_hangup(&b);
	free(recorded);
	free(transcribed);
	hook_reply_twiml(h, &b);
}

struct answering {
	struct hook *hook;
	json_t *handler;
	void (*go_on)(struct hook *h, const json_t *handler);
};

static void on_stored(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct answering *a = arg;
	if (!hook_store_error(a->hook, error))
		a->go_on(a->hook, a->handler);
	json_decref(a->handler);
	free(a);
}

static void tell_message(struct hook *h, const json_t *handler)
{
	struct call *call = calls_by_id(h->v->calls, h->call_id);
	if (call != NULL)
		ending_expect(h->v, call); /* a number need not have a status callback */
	hook_reply_hangup(h, text_of(handler, "hangupMessage", UNKNOWN));
}

/* The call is stored before Twilio is told what to do with it. */
static void store_then(struct hook *h, json_t *handler, const char *handled_by,
		       void (*go_on)(struct hook *h, const json_t *handler))
{
	struct answering *a = xcalloc(1, sizeof *a);
	*a = (struct answering){h, json_incref(handler), go_on};
	call_save(new_call(h, handler, handled_by), on_stored, a);
}

/* Twilio asks again about a call: it gets the answer that it got, also from another host. */
static void answer_again(struct hook *h, const char *handled_by, const json_t *handler, struct call *call)
{
	if (call != NULL)
		h->call_id = xstrdup(call_id(call));
	if (strcmp(handled_by, "message") == 0) {
		tell_message(h, handler);
	} else if (strcmp(handled_by, "voicemail") == 0) {
		take_voicemail(h, handler);
	} else if (call == NULL || call_is_over(call) || call_is_ending(call)) {
		hook_reply_hangup(h, NULL);
	} else {
		h->attempt = call_attempt(call);
		hook_connect(h, call);
	}
}

/* Whether another call would need a worker that there is none for. */
static bool is_full(const struct voiced *v)
{
	return calls_count_served(v->calls, NULL) >= v->config->max_calls ||
	       calls_count_served(v->calls, "inbound") >= v->config->max_incoming_calls;
}

static void answer_first(struct hook *h, json_t *handler)
{
	struct voiced *v = h->v;
	const char *from = hook_field(h, "From");
	if (v->draining) {
		hook_reply_hangup(h, CAPACITY);
	} else if (!json_is_object(handler) || json_is_false(json_object_get(handler, "enabled"))) {
		log_info("a call to %s has no handler", hook_field(h, "To"));
		hook_reply_hangup(h, text_of(handler, "hangupMessage", UNKNOWN));
	} else if (is_blocked(handler, from)) {
		hook_reply_hangup(h, REFUSED);
	} else if (says(handler, "messageOnly")) {
		store_then(h, handler, "message", tell_message);
	} else if (says(handler, "voicemailEnabled")) {
		store_then(h, handler, "voicemail", take_voicemail);
	} else if (is_full(v)) {
		hook_reply_hangup(h, CAPACITY);
	} else {
		hook_connect(h, new_call(h, handler, "agent"));
	}
}

static void on_known(void *arg, json_t *document, const char *error)
{
	struct answering *a = arg;
	struct hook *h = a->hook;
	struct call *call = calls_by_sid(h->v->calls, hook_field(h, "CallSid"));
	(void)error; /* away: a call of another host is not known then */
	if (call == NULL && json_is_object(document))
		call = elsewhere_take(h->v, document);
	if (call != NULL)
		answer_again(h, call_text(call, "handledBy"), a->handler, call);
	else if (json_is_object(document))
		answer_again(h, text_of(document, "handledBy", "agent"), a->handler, NULL);
	else
		answer_first(h, a->handler);
	json_decref(a->handler);
	free(a);
}

static void on_handler(void *arg, json_t *handler, const char *error)
{
	struct hook *h = arg;
	if (error != NULL && store_failure(error) == STORE_AWAY) {
		log_warn("how a call to %s is to be answered is not known: %s", hook_field(h, "To"), error);
		hook_reply_hangup(h, CAPACITY);
		return;
	}
	if (hook_store_error(h, error))
		return;
	struct answering *a = xcalloc(1, sizeof *a);
	*a = (struct answering){h, json_incref(handler), NULL};
	store_get(h->v->store, STORE_CALLS, "callSid", hook_field(h, "CallSid"), on_known, a);
}

void incoming_take(struct hook *h)
{
	handlers_look_up(h->v, hook_field(h, "To"), on_handler, h);
}
