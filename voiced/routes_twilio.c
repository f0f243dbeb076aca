/* Twilio's webhooks for calls: signature, the call's secret, then the answer. */
#include "lib/base/form.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/twilio/twiml.h"
#include "lib/twilio/webhook.h"
#include "voiced/agent.h"
#include "voiced/elsewhere.h"
#include "voiced/load.h"
#include "voiced/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS_MAX = 3 }; /* streams that may follow a broken one */

#define APOLOGY \
	"We are sorry, but our assistant cannot be reached at the moment. Please try again later. Goodbye."

/* A webhook on its way: what it said, and the call it is about. */
struct hook {
	struct voiced *v;
	struct http_request *request;
	char *call_id;
	struct form form;
	int64_t attempt;
	size_t route; /* of hooks */
};

static void free_hook(struct hook *h)
{
	form_free(&h->form);
	free(h->call_id);
	free(h);
}

static const char *field(const struct hook *h, const char *name)
{
	const char *value = form_get(&h->form, name);
	return value ? value : "";
}

static void reply_twiml(struct http_request *r, struct buffer *b)
{
	twiml_close(b);
	http_reply(r, 200, "text/xml", (char *)b->data, b->len, NULL);
	buffer_free(b);
}

static void reply_hangup(struct http_request *r, const char *words)
{
	struct buffer b = {0};
	twiml_open(&b);
	if (words != NULL)
		twiml_say(&b, words);
	twiml_hangup(&b);
	reply_twiml(r, &b);
}

/* The stream's wss URL, made from PUBLIC_URL. */
static char *stream_url(struct voiced *v, struct call *call)
{
	const char *public_url = v->config->public_url;
	bool tls = strncmp(public_url, "https://", 8) == 0;
	return xasprintf("%s://%s/call/connection-outgoing/%s", tls ? "wss" : "ws",
			 public_url + (tls ? 8 : 7), call_token(call));
}

static void reply_stream(struct hook *h, struct call *call)
{
	struct buffer b = {0};
	char *url = stream_url(h->v, call);
	char *again = xasprintf("%s/call/outgoing?call=%s&again=%lld", h->v->config->public_url,
				call_token(call), (long long)h->attempt + 1);
	const struct twiml_parameter parameters[] = {{"fromNumber", call_text(call, "fromNumber")},
						     {"toNumber", call_text(call, "toNumber")},
						     {"callType", "outgoing"},
						     {NULL, NULL}};
	twiml_open(&b);
	twiml_connect_stream(&b, url, parameters);
	twiml_redirect(&b, again);
	reply_twiml(h->request, &b);
	free(again);
	free(url);
}

static void on_outgoing_saved(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct hook *h = arg;
	struct call *call = calls_by_id(h->v->calls, h->call_id);
	if (error != NULL)
		http_reply_error(h->request, 503, "store", error);
	else if (call == NULL)
		reply_hangup(h->request, NULL);
	else
		reply_stream(h, call);
	free_hook(h);
}

static void connect_stream(struct hook *h, struct call *call)
{
	call_set_attempt(call, h->attempt);
	call_set_status(call, CALL_IN_PROGRESS);
	load_tell(h->v);
	agent_prepare(h->v, call);
	call_save(call, on_outgoing_saved, h);
}

/* A stream broke: the next one goes on with what was said before. */
static void on_history(void *arg, json_t *result, const char *error)
{
	struct hook *h = arg;
	struct call *call = calls_by_id(h->v->calls, h->call_id);
	if (call == NULL) {
		reply_hangup(h->request, NULL);
		free_hook(h);
		return;
	}
	if (error == NULL)
		call_set_history(call, json_object_get(result, "documents"));
	connect_stream(h, call);
}

static void on_outgoing(struct hook *h, struct call *call)
{
	struct form query;
	const char *text = http_query(h->request);
	form_parse(text, strlen(text), &query);
	const char *again = form_get(&query, "again");
	h->attempt = again ? atoll(again) : 0;
	form_free(&query);
	const char *last_words = NULL;
	bool over = call_is_over(call) || call_is_ending(call);
	if (!over && h->attempt > ATTEMPTS_MAX)
		call_set_error(call, "the stream broke again and again", true);
	if (!over && call_has_failed(call))
		last_words = APOLOGY;
	if (over || last_words != NULL) {
		call_save(call, NULL, NULL);
		reply_hangup(h->request, last_words);
		free_hook(h);
	} else if (h->attempt > 0) {
		log_call(LOG_SEV_INFO, call_sid(call), "the stream broke; connecting again (%lld)",
			 (long long)h->attempt);
		store_turns(h->v->store, call_id(call), on_history, h);
	} else {
		connect_stream(h, call);
	}
}

static void on_noted(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct hook *h = arg;
	if (error != NULL)
		http_reply_error(h->request, 503, "store", error);
	else
		http_reply(h->request, 204, NULL, NULL, 0, NULL);
	free_hook(h);
}

/* Answers 204 once everything written so far is durable. */
static void reply_noted(struct hook *h)
{
	store_check(h->v->store, on_noted, h);
}

static void on_status(struct hook *h, struct call *call)
{
	enum call_status status;
	const char *text = field(h, "CallStatus");
	if (!call_parse_status(text, &status)) {
		log_call(LOG_SEV_WARN, call_sid(call), "Twilio tells an unknown status, %.40s", text);
	} else {
		if (field(h, "CallDuration")[0] != '\0')
			call_set_duration(call, atol(field(h, "CallDuration")));
		/* Where the call is another host's, only its end is ours to write. */
		if ((call_is_ours(call) || status >= CALL_COMPLETED) && call_set_status(call, status) &&
		    !call_is_over(call))
			call_save(call, NULL, NULL);
		load_tell(h->v);
	}
	reply_noted(h);
}

static void on_recording(struct hook *h, struct call *call)
{
	call_note(call, "recording",
		  json_pack("{s:s, s:s, s:s, s:s}", "recordingSid", field(h, "RecordingSid"), "recordingUrl",
			    field(h, "RecordingUrl"), "status", field(h, "RecordingStatus"), "duration",
			    field(h, "RecordingDuration")));
	reply_noted(h);
}

static void on_amd(struct hook *h, struct call *call)
{
	call_note(call, "answered-by", json_pack("{s:s}", "answeredBy", field(h, "AnsweredBy")));
	reply_noted(h);
}

static const struct {
	const char *path;
	void (*handle)(struct hook *h, struct call *call);
	bool control; /* an answer of TwiML is expected */
} hooks[] = {
	{"/call/outgoing", on_outgoing, true},
	{"/call/status", on_status, false},
	{"/call/recording", on_recording, false},
	{"/call/amd", on_amd, false},
};

/* The call is known, or known not to be. */
static void on_call(void *arg, struct call *call, const char *error)
{
	struct hook *h = arg;
	struct http_request *r = h->request;
	if (error != NULL) {
		http_reply_error(r, 503, "store", error);
	} else if (call == NULL && hooks[h->route].control) {
		reply_hangup(r, NULL); /* over, or never ours: nobody is to listen to silence */
	} else if (call == NULL) {
		http_reply(r, 204, NULL, NULL, 0, NULL);
	} else if (!call_set_sid(call, field(h, "CallSid"))) {
		http_reply_error(r, 403, "secret", "The secret in the URL is another call's.");
	} else {
		h->call_id = xstrdup(call_id(call));
		if (hooks[h->route].control)
			call_take(call);
		hooks[h->route].handle(h, call);
		return;
	}
	free_hook(h);
}

/* Finds the call that the request's secret belongs to, here or in the store. */
static void find_call(struct hook *h)
{
	struct form query;
	const char *text = http_query(h->request), *sid = field(h, "CallSid");
	form_parse(text, strlen(text), &query);
	const char *token = form_get(&query, "call");
	if (!twilio_is_call_sid(sid)) {
		http_reply_error(h->request, 400, "invalid", "CallSid is missing or no SID of a call.");
		free_hook(h);
	} else {
		elsewhere_find(h->v, token ? token : "", on_call, h);
	}
	form_free(&query);
}

static void handle(struct voiced *v, struct http_request *r, size_t i)
{
	struct hook *h = xcalloc(1, sizeof *h);
	*h = (struct hook){.v = v, .request = r, .route = i};
	if (twilio_webhook_read(r, v->config->twilio_auth_token, v->config->public_url, &h->form))
		find_call(h);
	else
		free(h);
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
