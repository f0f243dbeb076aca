/* Twilio's webhooks for calls: signature, the call's secret, then the answer. */
#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/http/json_api.h"
#include "lib/store/result.h"
#include "lib/twilio/twiml.h"
#include "lib/twilio/webhook.h"
#include "voiced/calls/answering_machine.h"
#include "voiced/calls/hangup.h"
#include "voiced/calls/host_takeover.h"
#include "voiced/http_routes.h"
#include "voiced/load_report.h"
#include "voiced/numbers/voicemail.h"
#include "voiced/retention/call_deletion.h"
#include "voiced/retention/recording_removal.h"
#include "voiced/shared/pending.h"
#include "voiced/webhooks/webhook.h"
#include "voiced/webhooks/webhook_answers.h"
#include "voiced/workers/agent_address.h"
#include "voiced/workers/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ATTEMPTS_MAX = 10,          /* streams after the first, those that never began among them */
	CONNECT_PATIENCE_MS = 3000, /* how long a stream waits until its call is stored */
	CONNECT_AGAIN_MS = 200,
};

#define APOLOGY \
	"We are sorry, but our assistant cannot be reached at the moment. Please try again later. Goodbye."

/* ---- what handlers share ---- */

void hook_free(struct hook *h)
{
	form_free(&h->form);
	form_free(&h->query);
	free(h->call_id);
	free(h->key);
	free(h);
}

const char *hook_field(const struct hook *h, const char *name)
{
	const char *value = form_get(&h->form, name);
	return value ? value : "";
}

const char *hook_query(const struct hook *h, const char *name)
{
	const char *value = form_get(&h->query, name);
	return value ? value : "";
}

struct call *hook_call(const struct hook *h)
{
	return h->call_id ? calls_by_id(h->v->calls, h->call_id) : NULL;
}

void hook_reply_twiml(struct hook *h, struct buffer *b)
{
	twiml_close(b);
	if (h->key != NULL)
		webhook_answers_keep(h->v->answers, h->key, b);
	http_reply(h->request, 200, "text/xml", (char *)b->data, b->len, NULL);
	buffer_free(b);
	hook_free(h);
}

void hook_reply_hangup(struct hook *h, const char *words)
{
	struct buffer b = {0};
	twiml_open(&b);
	if (words != NULL)
		twiml_say(&b, words);
	twiml_hangup(&b);
	hook_reply_twiml(h, &b);
}

void hook_reply_error(struct hook *h, unsigned status, const char *code, const char *message)
{
	http_reply_error(h->request, status, code, message);
	hook_free(h);
}

bool hook_store_error(struct hook *h, const char *error)
{
	if (!answer_store_error(http_reply_to(h->request), error))
		return false;
	hook_free(h);
	return true;
}

static void on_noted(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct hook *h = arg;
	if (hook_store_error(h, error))
		return;
	http_reply(h->request, 204, NULL, NULL, 0, NULL);
	hook_free(h);
}

void hook_reply_noted(struct hook *h)
{
	store_check(h->v->store, on_noted, h);
}

/* ---- streams ---- */

/* The stream's wss URL, made from PUBLIC_URL. */
static char *stream_url(struct voiced *v, struct call *call, bool inbound)
{
	const char *public_url = v->config->public_url;
	bool tls = strncmp(public_url, "https://", 8) == 0;
	return xasprintf("%s://%s/call/connection-%s/%s", tls ? "wss" : "ws", public_url + (tls ? 8 : 7),
			 inbound ? "incoming" : "outgoing", call_token(call));
}

static void reply_stream(struct hook *h, struct call *call)
{
	struct buffer b = {0};
	bool inbound = call_is_inbound(call);
	char *url = stream_url(h->v, call, inbound);
	char *again =
		xasprintf("%s/call/%s?call=%s&again=%lld#rc=5&rp=all", h->v->config->public_url,
			  inbound ? "incoming" : "outgoing", call_token(call), (long long)h->attempt + 1);
	const struct twiml_parameter parameters[] = {{"fromNumber", call_text(call, "fromNumber")},
						     {"toNumber", call_text(call, "toNumber")},
						     {"callType", inbound ? "incoming" : "outgoing"},
						     {NULL, NULL}};
	twiml_open(&b);
	twiml_connect_stream(&b, url, parameters);
	twiml_redirect(&b, again);
	free(again);
	free(url);
	hook_reply_twiml(h, &b);
}

/* A call on its way to its stream: first it is stored. */
struct connecting {
	struct hook *hook;
	struct mono_us since;
	struct errand errand;
};

static struct hook *connecting_end(struct connecting *c)
{
	struct hook *h = c->hook;
	errand_end(&c->errand);
	free(c);
	return h;
}

/* voiced ends: Twilio asks the next one. */
static void connecting_drop(void *arg)
{
	hook_reply_error(connecting_end(arg), 503, "ending", "phony is shutting down");
}

static void connecting_save(void *arg);

/*
 * A person waits on the line: a store that cannot write for long is no reason to
 * drop them. What cannot be stored now is written again (call_save).
 */
static void on_connect_saved(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct connecting *c = arg;
	struct call *call = hook_call(c->hook);
	int64_t waited_ms = (mono_now().us - c->since.us) / 1000;
	if (error != NULL && call != NULL) {
		if (store_failure(error) != STORE_REFUSED && waited_ms < CONNECT_PATIENCE_MS) {
			errand_later(&c->errand, CONNECT_AGAIN_MS, connecting_save);
			return;
		}
		log_call(LOG_SEV_WARN, call_sid(call), "the call is not stored yet, and goes on: %s", error);
	}
	struct hook *h = connecting_end(c);
	if (call == NULL)
		hook_reply_hangup(h, NULL);
	else
		reply_stream(h, call);
}

static void connecting_save(void *arg)
{
	struct connecting *c = arg;
	struct call *call = hook_call(c->hook);
	if (call != NULL)
		call_save(call, on_connect_saved, c);
	else
		hook_reply_hangup(connecting_end(c), NULL);
}

void hook_connect(struct hook *h, struct call *call)
{
	call_set_attempt(call, h->attempt);
	call_set_status(call, CALL_IN_PROGRESS);
	load_tell(h->v);
	agent_prepare(h->v, call);
	struct connecting *c = xcalloc(1, sizeof *c);
	c->hook = h;
	c->since = mono_now();
	errand_begin(&c->errand, h->v, connecting_drop, c);
	connecting_save(c);
}

/* ---- the handlers ---- */

static void on_answered(struct hook *h, struct call *call)
{
	h->attempt = atoll(hook_query(h, "again"));
	bool over = call_is_over(call) || call_is_ending(call);
	int64_t transfers = call_number(call, "transfers"); /* each is followed by a stream, too */
	if (!over && (h->attempt > ATTEMPTS_MAX + transfers ||
		      (h->attempt > 0 && call_streams(call) > CALL_BREAKS_MAX + transfers)))
		call_give_up_streams(call);
	if (over || call_has_failed(call)) {
		call_save(call, NULL, NULL);
		hook_reply_hangup(h, over ? NULL : APOLOGY);
		return;
	}
	if (h->attempt > 0)
		log_call(LOG_SEV_INFO, call_sid(call), "the stream broke; connecting again (%lld)",
			 (long long)h->attempt);
	hook_connect(h, call);
}

static void on_status(struct hook *h, struct call *call)
{
	enum call_status status;
	const char *text = hook_field(h, "CallStatus");
	if (!call_parse_status(text, &status)) {
		log_call(LOG_SEV_WARN, call_sid(call), "Twilio tells an unknown status, %.*s",
			 TEXT_CUT(text, 40));
	} else {
		if (hook_field(h, "CallDuration")[0] != '\0')
			call_set_duration(call, atol(hook_field(h, "CallDuration")));
		/* Where the call is another host's, only its end is ours to write. */
		if ((call_is_ours(call) || status >= CALL_COMPLETED) && call_set_status(call, status) &&
		    !call_is_over(call))
			elsewhere_save(h->v, call);
		load_tell(h->v);
	}
	hook_reply_noted(h);
}

static json_t *text(const struct hook *h, const char *name)
{
	return json_text(hook_field(h, name));
}

/* ---- recordings: told of when the call is over and out of the register, too ---- */

/* A token begins with the call's id. */
static void recorded_call_id(const struct hook *h, char id[CALL_ID_LEN + 1])
{
	const char *token = hook_query(h, "call");
	text_copy(id, CALL_ID_LEN + 1, token, strnlen(token, CALL_ID_LEN));
}

static void on_deleted_call(void *arg, json_t *result, const char *error)
{
	struct hook *h = arg;
	char id[CALL_ID_LEN + 1];
	recorded_call_id(h, id);
	if (hook_store_error(h, error))
		return;
	if (json_is_object(result) && twilio_is_recording_sid(hook_field(h, "RecordingSid")))
		removals_add(h->v, hook_field(h, "RecordingSid"), STORE_CALLS, id, NULL, NULL);
	hook_reply_noted(h);
}

/* data is stolen. */
static void note_recording(struct hook *h, const char *call_id, json_t *data)
{
	struct call *call = calls_by_id(h->v->calls, call_id);
	char now[WALL_TEXT_SIZE];
	char *told = xasprintf("%s %s", hook_field(h, "RecordingSid"), hook_field(h, "RecordingStatus"));
	bool again = call != NULL && strcmp(call_text(call, "recordingTold"), told) == 0;
	if (call != NULL && !again) {
		call_put(call, "recordingTold", json_text(told));
		call_note(call, "recording", data);
	} else if (again) {
		json_decref(data); /* a repeat changes nothing */
	}
	free(told);
	if (call != NULL)
		return;
	/* As call_note does. */
	wall_format(wall_now(), now);
	struct store_event event = {call_id, -1, wall_now().ms * 1000, "recording", now, data};
	store_add_event(h->v->store, &event, NULL, NULL);
	json_decref(data);
}

static void on_recorded_call(void *arg, json_t *document, const char *error)
{
	struct hook *h = arg;
	const char *token = hook_query(h, "call"), *sid = hook_field(h, "RecordingSid");
	char id[CALL_ID_LEN + 1];
	recorded_call_id(h, id);
	if (hook_store_error(h, error))
		return;
	if (!json_is_object(document)) {
		deletion_look_up(h->v, STORE_CALLS, id, on_deleted_call, h);
	} else if (!elsewhere_token_fits(document, token)) {
		hook_reply_error(h, 403, "secret", "The secret in the URL is no call's.");
	} else {
		json_t *data =
			json_build("{s:o, s:o, s:o, s:o}", "recordingSid", text(h, "RecordingSid"),
				   "recordingUrl", text(h, "RecordingUrl"), "status",
				   text(h, "RecordingStatus"), "duration", text(h, "RecordingDuration"));
		note_recording(h, id, data);
		if (twilio_is_recording_sid(sid))
			removals_recorded(h->v, id, sid);
		hook_reply_noted(h);
	}
}

static void on_recording(struct hook *h)
{
	char id[CALL_ID_LEN + 1];
	recorded_call_id(h, id);
	store_get(h->v->store, STORE_CALLS, "callId", id, on_recorded_call, h);
}

static void on_amd(struct hook *h, struct call *call)
{
	if (strcmp(call_text(call, "answeredBy"), hook_field(h, "AnsweredBy")) == 0) {
		hook_reply_noted(h); /* a repeat: what follows from it was begun */
		return;
	}
	call_note(call, "answered-by", json_build("{s:o}", "answeredBy", text(h, "AnsweredBy")));
	call_put(call, "answeredBy", text(h, "AnsweredBy"));
	call_save(call, NULL, NULL);
	machine_answered(h->v, call, hook_field(h, "AnsweredBy"));
	hook_reply_noted(h);
}

/* ---- voicemail: no call of the register is needed ---- */

static void on_voicemail_kept(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct hook *h = arg;
	struct call *call = calls_by_sid(h->v->calls, hook_field(h, "CallSid"));
	if (call != NULL)
		ending_expect(h->v, call); /* a number need not have a status callback */
	if (!hook_store_error(h, error))
		hook_reply_hangup(h, "Thank you. Your message has been recorded. Goodbye.");
}

static void on_transcription_kept(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct hook *h = arg;
	if (!hook_store_error(h, error))
		hook_reply_noted(h);
}

static void on_voicemail(struct hook *h)
{
	if (hook_field(h, "RecordingSid")[0] == '\0')
		hook_reply_error(h, 400, "invalid", "RecordingSid is missing.");
	else
		voicemail_recorded(h->v, &h->form, on_voicemail_kept, h);
}

static void on_transcription(struct hook *h)
{
	if (hook_field(h, "RecordingSid")[0] == '\0')
		hook_reply_error(h, 400, "invalid", "RecordingSid is missing.");
	else
		voicemail_transcribed(h->v, &h->form, on_transcription_kept, h);
}

/* ---- which is which ---- */

static const struct {
	const char *path;
	void (*handle)(struct hook *h, struct call *call);
	void (*unknown)(struct hook *h); /* without a secret: no call is known by it */
	bool control;                    /* an answer of TwiML is expected */
} hooks[] = {
	{"/call/outgoing", on_answered, NULL, true},
	{"/call/incoming", on_answered, incoming_take, true},
	{"/call/status", on_status, NULL, false},
	{"/call/recording", NULL, on_recording, false},
	{"/call/amd", on_amd, NULL, false},
	{"/call/transfer", transfer_dial, NULL, true},
	{"/call/transferred", transfer_done, NULL, true},
	{"/voicemail/recording", NULL, on_voicemail, true},
	{"/voicemail/transcription", NULL, on_transcription, false},
};

/* The call is known, or known not to be. */
static void on_call(void *arg, struct call *call, const char *error)
{
	struct hook *h = arg;
	if (hook_store_error(h, error))
		return;
	if (call == NULL && hooks[h->route].control) {
		hook_reply_hangup(h, NULL); /* over, or never ours: nobody is to listen to silence */
	} else if (call == NULL) {
		http_reply(h->request, 204, NULL, NULL, 0, NULL);
		hook_free(h);
	} else if (!ending_name(h->v, call, hook_field(h, "CallSid"), true)) {
		hook_reply_error(h, 403, "secret", "The secret in the URL is another call's.");
	} else {
		h->call_id = xstrdup(call_id(call));
		if (hooks[h->route].control)
			call_take(call);
		hooks[h->route].handle(h, call);
	}
}

/* Finds the call that the request's secret belongs to, here or in the store. */
static void find_call(struct hook *h)
{
	const char *sid = hook_field(h, "CallSid"), *token = hook_query(h, "call");
	if (!twilio_is_call_sid(sid))
		hook_reply_error(h, 400, "invalid", "CallSid is missing or no SID of a call.");
	else if (hooks[h->route].unknown != NULL && (token[0] == '\0' || hooks[h->route].handle == NULL))
		hooks[h->route].unknown(h);
	else if (token[0] == '\0' && strcmp(hooks[h->route].path, "/call/status") == 0)
		on_call(h, calls_by_sid(h->v->calls, sid), NULL); /* a number's own callback has no secret */
	else
		elsewhere_find(h->v, token, on_call, h);
}

static void handle(struct voiced *v, struct http_request *r, size_t i)
{
	struct hook *h = xcalloc(1, sizeof *h);
	*h = (struct hook){.v = v, .request = r, .route = i};
	if (!twilio_webhook_read(r, v->config->twilio_auth_token, v->config->public_url, &h->form)) {
		free(h);
		return;
	}
	form_parse(http_query(r), strlen(http_query(r)), &h->query);
	if (hooks[i].control)
		h->key = xasprintf("%s?%s %s %s", hooks[i].path, http_query(r), hook_field(h, "CallSid"),
				   hook_field(h, "RecordingSid"));
	const struct buffer *answer = h->key ? webhook_answers_find(v->answers, h->key) : NULL;
	if (answer != NULL) {
		http_reply(r, 200, "text/xml", (char *)answer->data, answer->len, NULL);
		hook_free(h);
	} else {
		find_call(h);
	}
}

bool routes_twilio(struct voiced *v, struct http_request *r)
{
	for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++)
		if (strcmp(http_path(r), hooks[i].path) == 0) {
			handle(v, r, i);
			return true;
		}
	return false;
}
