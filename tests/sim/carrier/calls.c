/* A call's life: rings, is answered, runs its TwiML verb by verb, ends. */
#include "tests/sim/carrier/carrier.h"

#include "tests/sim/common/report.h"

#include <event2/keyvalq_struct.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { INITIATED = 1, RINGING = 2, ANSWERED = 4, COMPLETED = 8 };
enum { RING_MS = 20, SAY_MS = 50, TWIML_STEPS_MAX = 40 };

static void run_verb(struct call *c);

bool call_is_over(const struct call *c)
{
	static const char *const final[] = {"completed", "busy", "no-answer", "failed", "canceled"};
	for (size_t i = 0; i < sizeof final / sizeof *final; i++)
		if (strcmp(c->status, final[i]) == 0)
			return true;
	return false;
}

struct call *call_find(const char *sid)
{
	struct call *c;
	LIST_FOREACH (c, &carrier.calls, next)
		if (!c->hidden && strcmp(c->sid, sid) == 0)
			return c;
	return NULL;
}

struct call *call_new(const char *to, const char *from, const char *url, const char *callback,
		      unsigned events, json_t *callee)
{
	struct call *c = calloc(1, sizeof *c);
	unsigned char bytes[16];
	RAND_bytes(bytes, sizeof bytes);
	strcpy(c->sid, "CA");
	for (int i = 0; i < 16; i++)
		sprintf(c->sid + 2 + 2 * i, "%02x", bytes[i]);
	snprintf(c->to, sizeof c->to, "%s", to);
	snprintf(c->from, sizeof c->from, "%s", from);
	c->url = strdup(url);
	c->status_callback = callback ? strdup(callback) : NULL;
	c->events = events;
	c->callee = callee;
	c->status = "queued";
	c->created_us = now_us();
	c->created_s = carrier_time();
	LIST_INSERT_HEAD(&carrier.calls, c, next);
	return c;
}

static void rfc2822(int64_t when, char out[64])
{
	time_t t = when;
	struct tm parts;
	gmtime_r(&t, &parts);
	strftime(out, 64, "%a, %d %b %Y %H:%M:%S +0000", &parts);
}

json_t *call_resource(const struct call *c)
{
	char created[64], duration[16];
	bool over = call_is_over(c);
	rfc2822(c->created_s, created);
	snprintf(duration, sizeof duration, "%d",
		 c->answered_us ? (int)((now_us() - c->answered_us) / 1000000) : 0);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:s}", "sid", c->sid, "account_sid",
			 carrier.account_sid, "to", c->to, "from", c->from, "status", c->status, "direction",
			 c->inbound ? "inbound" : "outbound-api", "date_created", created, "api_version", "2010-04-01", "duration",
			 over ? duration : NULL, "uri", "");
}

static void after(struct call *c, int ms, event_callback_fn fn)
{
	struct timeval delay = {ms / 1000, ms % 1000 * 1000};
	if (c->timer != NULL)
		event_free(c->timer);
	c->timer = evtimer_new(carrier.base, fn, c);
	evtimer_add(c->timer, &delay);
}

static void base_params(struct call *c, struct evkeyvalq *p)
{
	TAILQ_INIT(p);
	evhttp_add_header(p, "CallSid", c->sid);
	evhttp_add_header(p, "AccountSid", carrier.account_sid);
	evhttp_add_header(p, "From", c->from);
	evhttp_add_header(p, "To", c->to);
	evhttp_add_header(p, "Caller", c->from);
	evhttp_add_header(p, "Called", c->to);
	evhttp_add_header(p, "CallStatus", c->status);
	evhttp_add_header(p, "ApiVersion", "2010-04-01");
	evhttp_add_header(p, "Direction", c->inbound ? "inbound" : "outbound-api");
	evhttp_add_header(p, "ToZip", "");
	evhttp_add_header(p, "FromCity", "Zürich & \"Genève\" + <Bern>");
}

static void on_callback(void *arg, int status, const char *type, const char *body)
{
	(void)type;
	(void)body;
	struct call *c = arg;
	report("callback-answered", json_pack("{s:s, s:i}", "callSid", c->sid, "status", status));
	if (status != 0 && status != 204 && status != 200)
		violation(c->sid, "a status callback was answered with %d", status);
}

static void call_back(struct call *c, unsigned event)
{
	struct evkeyvalq p;
	char number[16], stamp[64];
	if (c->status_callback == NULL || !(c->events & event))
		return;
	base_params(c, &p);
	rfc2822(carrier_time(), stamp);
	snprintf(number, sizeof number, "%d", c->sequence++);
	rest_param(&p, "CallbackSource", "call-progress-events");
	rest_param(&p, "SequenceNumber", number);
	rest_param(&p, "Timestamp", stamp);
	if (event == COMPLETED) {
		snprintf(number, sizeof number, "%d",
			 c->answered_us ? (int)((now_us() - c->answered_us) / 1000000) : 0);
		rest_param(&p, "CallDuration", number);
		rest_param(&p, "Duration", "1");
	}
	report("callback", json_pack("{s:s, s:s}", "callSid", c->sid, "status", c->status));
	hook_post(c->status_callback, &p, on_callback, c);
	if (event == COMPLETED && json_is_true(json_object_get(c->callee, "repeat_callbacks")))
		hook_post(c->status_callback, &p, on_callback, c);
	evhttp_clear_headers(&p);
}

static void ignore(void *arg, int status, const char *type, const char *body)
{
	struct call *c = arg;
	(void)type;
	(void)body;
	if (status != 204 && status != 200 && status != 0)
		violation(c->sid, "a callback was answered with %d", status);
}

static void make_sid(char out[35], const char *kind)
{
	unsigned char bytes[16];
	RAND_bytes(bytes, sizeof bytes);
	snprintf(out, 35, "%s", kind);
	for (int i = 0; i < 16; i++)
		sprintf(out + 2 + 2 * i, "%02x", bytes[i]);
}

/* It is there until it is deleted. */
static void keep_recording(const char *recording_sid)
{
	json_t *there = json_object_get(carrier.scenario, "recordings");
	if (there == NULL) {
		there = json_object();
		json_object_set_new(carrier.scenario, "recordings", there);
	}
	json_object_set_new(there, recording_sid, json_true());
}

static void recording_hook(struct call *c, const char *status)
{
	struct evkeyvalq p;
	char url[200];
	if (c->recording_callback == NULL)
		return;
	TAILQ_INIT(&p);
	snprintf(url, sizeof url, "https://api.twilio.com/2010-04-01/Accounts/%s/Recordings/%s",
		 carrier.account_sid, c->recording_sid);
	rest_param(&p, "AccountSid", carrier.account_sid);
	rest_param(&p, "CallSid", c->sid);
	rest_param(&p, "RecordingSid", c->recording_sid);
	rest_param(&p, "RecordingUrl", url);
	rest_param(&p, "RecordingStatus", status);
	rest_param(&p, "RecordingChannels", "2");
	rest_param(&p, "RecordingDuration", "7");
	hook_post(c->recording_callback, &p, ignore, c);
	evhttp_clear_headers(&p);
}

void call_record(struct call *c, const char *callback)
{
	make_sid(c->recording_sid, "RE");
	keep_recording(c->recording_sid);
	if (callback != NULL)
		c->recording_callback = strdup(callback);
	report("recording-started", json_pack("{s:s, s:s}", "callSid", c->sid, "recordingSid", c->recording_sid));
	recording_hook(c, "in-progress");
}

void call_end(struct call *c, const char *status)
{
	if (call_is_over(c))
		return;
	c->status = status;
	report("call-ended", json_pack("{s:s, s:s, s:s}", "callSid", c->sid, "to", c->to, "status", status));
	if (c->timer != NULL)
		event_free(c->timer);
	c->timer = NULL;
	if (c->limit_timer != NULL)
		evtimer_del(c->limit_timer);
	if (c->stream != NULL)
		stream_stop(c->stream);
	if (c->recording_sid[0] != '\0')
		recording_hook(c, "completed");
	if (!json_is_true(json_object_get(c->callee, "lose_completed")))
		call_back(c, COMPLETED);
}

/* ---- TwiML ---- */

static void on_document(void *arg, int status, const char *type, const char *body)
{
	struct call *c = arg;
	if (call_is_over(c))
		return;
	if (status != 200) {
		report("twiml-failed", json_pack("{s:s, s:i}", "callSid", c->sid, "status", status));
		call_end(c, "completed");
		return;
	}
	if (type == NULL || strncmp(type, "text/xml", 8) != 0)
		violation(c->sid, "TwiML came as %s", type ? type : "no type");
	report("twiml", json_pack("{s:s, s:s}", "callSid", c->sid, "document", body));
	twiml_free(c->twiml);
	c->twiml = twiml_read(body, c->sid);
	c->verb = 0;
	run_verb(c);
}

static void fetch(struct call *c, const char *url)
{
	struct evkeyvalq p;
	base_params(c, &p);
	hook_post(url, &p, on_document, c);
	evhttp_clear_headers(&p);
}

static void on_said(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run_verb(arg);
}

/* ---- <Record> and <Dial> ---- */

struct voicemail {
	struct call *call;
	char sid[35], url[200];
	char *transcribe;
};

static void on_transcribed(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct voicemail *m = arg;
	struct evkeyvalq p;
	const char *text = text_of(m->call->callee, "transcript", NULL);
	base_params(m->call, &p);
	rest_param(&p, "RecordingSid", m->sid);
	rest_param(&p, "RecordingUrl", m->url);
	rest_param(&p, "TranscriptionSid", "TR00000000000000000000000000000001");
	rest_param(&p, "TranscriptionStatus", text ? "completed" : "failed");
	rest_param(&p, "TranscriptionText", text ? text : "");
	rest_param(&p, "TranscriptionUrl", "https://api.twilio.com/x");
	hook_post(m->transcribe, &p, ignore, m->call);
	evhttp_clear_headers(&p);
	free(m->transcribe);
	free(m);
}

static const char *attribute(const struct twiml_verb *v, const char *name)
{
	return text_of(v->attributes, name, NULL);
}

/* The caller speaks after the tone; nothing heard: the next verb. */
static void on_recorded(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct call *c = arg;
	struct twiml_verb *v = &c->twiml->verbs[c->verb - 1];
	struct evkeyvalq p;
	if (call_is_over(c))
		return;
	if (!json_object_get(c->callee, "message")) {
		run_verb(c);
		return;
	}
	struct voicemail *m = calloc(1, sizeof *m);
	m->call = c;
	make_sid(m->sid, "RE");
	snprintf(m->url, sizeof m->url, "https://api.twilio.com/2010-04-01/Accounts/%s/Recordings/%s",
		 carrier.account_sid, m->sid);
	keep_recording(m->sid);
	report("voicemail", json_pack("{s:s, s:s}", "callSid", c->sid, "recordingSid", m->sid));
	const char *transcribe = attribute(v, "transcribeCallback"), *action = attribute(v, "action");
	if (action == NULL)
		violation(c->sid, "Record without action: an endless loop");
	base_params(c, &p);
	rest_param(&p, "RecordingSid", m->sid);
	rest_param(&p, "RecordingUrl", m->url);
	rest_param(&p, "RecordingDuration", "9");
	rest_param(&p, "Digits", "#");
	hook_post(action ? action : "http://127.0.0.1:9/", &p, on_document, c);
	evhttp_clear_headers(&p);
	if (transcribe == NULL || json_is_true(json_object_get(c->callee, "lose_transcription"))) {
		free(m);
		return;
	}
	struct timeval delay = {0, 200000};
	m->transcribe = strdup(transcribe);
	event_base_once(carrier.base, -1, EV_TIMEOUT, on_transcribed, m, &delay);
}

static void on_dialled(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct call *c = arg;
	struct twiml_verb *v = &c->twiml->verbs[c->verb - 1];
	struct evkeyvalq p;
	if (call_is_over(c))
		return;
	json_t *other = json_object_get(json_object_get(carrier.scenario, "callees"), v->text);
	const char *outcome = text_of(other, "outcome", "completed"), *action = attribute(v, "action");
	report("dialled", json_pack("{s:s, s:s, s:s}", "callSid", c->sid, "to", v->text, "outcome", outcome));
	if (action == NULL) {
		run_verb(c);
		return;
	}
	base_params(c, &p);
	rest_param(&p, "DialCallStatus", outcome);
	rest_param(&p, "DialCallSid", "CA00000000000000000000000000000999");
	rest_param(&p, "DialCallDuration", "3");
	hook_post(action, &p, on_document, c);
	evhttp_clear_headers(&p);
}

static void run_verb(struct call *c)
{
	if (call_is_over(c))
		return;
	if (c->twiml == NULL || c->verb >= c->twiml->count) {
		call_end(c, "completed");
		return;
	}
	struct twiml_verb *v = &c->twiml->verbs[c->verb++];
	if (strcmp(v->name, "Connect") == 0) {
		if (++c->streams > TWIML_STEPS_MAX) {
			violation(c->sid, "an endless loop of streams");
			call_end(c, "failed");
			return;
		}
		c->stream = stream_open(c, v->url, v->parameters);
	} else if (strcmp(v->name, "Redirect") == 0) {
		fetch(c, v->text);
	} else if (strcmp(v->name, "Record") == 0) {
		after(c, SAY_MS, on_recorded);
	} else if (strcmp(v->name, "Dial") == 0) {
		after(c, SAY_MS, on_dialled);
	} else if (strcmp(v->name, "Hangup") == 0) {
		call_end(c, "completed");
	} else {
		if (v->text != NULL)
			report("say", json_pack("{s:s, s:s}", "callSid", c->sid, "text", v->text));
		after(c, SAY_MS, on_said);
	}
}

void call_stream_ended(struct call *c)
{
	c->stream = NULL;
	run_verb(c);
}

void call_take_over(struct call *c, const char *url, const char *twiml)
{
	struct stream *s = c->stream;
	c->stream = NULL;
	if (s != NULL)
		stream_stop(s);
	if (url != NULL)
		fetch(c, url);
	else
		on_document(c, 200, "text/xml", twiml);
}

/* ---- answering machines, limits ---- */

static void on_verdict(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct call *c = arg;
	struct evkeyvalq p;
	const char *verdict = text_of(c->callee, "answered_by", "human");
	if (call_is_over(c))
		return;
	if (!c->detect_end && strncmp(verdict, "machine", 7) == 0)
		verdict = "machine_start";
	TAILQ_INIT(&p);
	rest_param(&p, "CallSid", c->sid);
	rest_param(&p, "AccountSid", carrier.account_sid);
	rest_param(&p, "AnsweredBy", verdict);
	rest_param(&p, "MachineDetectionDuration", "2400");
	report("verdict", json_pack("{s:s, s:s}", "callSid", c->sid, "answeredBy", verdict));
	hook_post(c->amd_callback, &p, ignore, c);
	evhttp_clear_headers(&p);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	call_end(arg, "completed");
}

static void answered(struct call *c)
{
	struct timeval limit = {c->time_limit_s, 0};
	int ms = (int)int_of(c->callee, "amd_ms", 500);
	struct timeval verdict = {ms / 1000, ms % 1000 * 1000};
	c->status = "in-progress";
	c->answered_us = now_us();
	if (c->time_limit_s > 0 && !json_is_true(json_object_get(c->callee, "no_limit"))) {
		c->limit_timer = evtimer_new(carrier.base, on_limit, c);
		evtimer_add(c->limit_timer, &limit);
	}
	if (c->amd_callback != NULL) {
		c->amd_timer = evtimer_new(carrier.base, on_verdict, c);
		evtimer_add(c->amd_timer, &verdict);
	}
	call_back(c, ANSWERED);
	if (c->recorded)
		call_record(c, NULL);
	fetch(c, c->url);
}

/* ---- ringing ---- */

static void on_answered(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct call *c = arg;
	const char *outcome = text_of(c->callee, "outcome", "answer");
	json_t *outcomes = json_object_get(c->callee, "outcomes"); /* one after the other */
	if (outcomes != NULL && json_array_size(outcomes) > 0) {
		char next[20];
		snprintf(next, sizeof next, "%s", json_string_value(json_array_get(outcomes, 0)));
		json_array_remove(outcomes, 0);
		outcome = strcmp(next, "busy") == 0 ? "busy" : strcmp(next, "no-answer") == 0 ? "no-answer" : "answer";
	}
	if (strcmp(outcome, "answer") != 0) {
		call_end(c, outcome); /* busy, no-answer, failed */
		return;
	}
	answered(c);
}

static void on_no_answer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	call_end(arg, "no-answer");
}

static void on_ringing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct call *c = arg;
	c->status = "ringing";
	call_back(c, RINGING);
	int ring_ms = (int)int_of(c->callee, "ring_ms", RING_MS), most_ms = c->ring_timeout_s * 1000;
	if (most_ms > 0 && ring_ms > most_ms)
		after(c, most_ms, on_no_answer);
	else
		after(c, ring_ms, on_answered);
}

void call_begin(struct call *c)
{
	c->status = "initiated";
	call_back(c, INITIATED);
	c->status = "queued";
	after(c, 1, on_ringing);
}

/* A person's call is not answered before a verb that answers: here it is at once. */
void call_dial(const char *from, const char *to, const char *url, json_t *callee)
{
	struct call *c = call_new(to, from, url, NULL, 0, callee);
	c->inbound = true;
	c->status = "ringing";
	c->answered_us = now_us();
	report("call-created", json_pack("{s:s, s:s, s:s}", "callSid", c->sid, "to", to, "from", from));
	fetch(c, c->url);
	c->status = "in-progress";
}
