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
	c->created_s = time(NULL);
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
			 "outbound-api", "date_created", created, "api_version", "2010-04-01", "duration",
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
	evhttp_add_header(p, "Direction", "outbound-api");
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
	rfc2822(time(NULL), stamp);
	snprintf(number, sizeof number, "%d", c->sequence++);
	evhttp_add_header(&p, "CallbackSource", "call-progress-events");
	evhttp_add_header(&p, "SequenceNumber", number);
	evhttp_add_header(&p, "Timestamp", stamp);
	if (event == COMPLETED) {
		snprintf(number, sizeof number, "%d",
			 c->answered_us ? (int)((now_us() - c->answered_us) / 1000000) : 0);
		evhttp_add_header(&p, "CallDuration", number);
		evhttp_add_header(&p, "Duration", "1");
	}
	report("callback", json_pack("{s:s, s:s}", "callSid", c->sid, "status", c->status));
	hook_post(c->status_callback, &p, on_callback, c);
	if (event == COMPLETED && json_is_true(json_object_get(c->callee, "repeat_callbacks")))
		hook_post(c->status_callback, &p, on_callback, c);
	evhttp_clear_headers(&p);
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
	if (c->stream != NULL)
		stream_stop(c->stream);
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

/* ---- ringing ---- */

static void on_answered(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct call *c = arg;
	const char *outcome = text_of(c->callee, "outcome", "answer");
	if (strcmp(outcome, "answer") != 0) {
		call_end(c, outcome); /* busy, no-answer, failed */
		return;
	}
	c->status = "in-progress";
	c->answered_us = now_us();
	call_back(c, ANSWERED);
	fetch(c, c->url);
}

static void on_ringing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct call *c = arg;
	c->status = "ringing";
	call_back(c, RINGING);
	after(c, (int)int_of(c->callee, "ring_ms", RING_MS), on_answered);
}

void call_begin(struct call *c)
{
	c->status = "initiated";
	call_back(c, INITIATED);
	c->status = "queued";
	after(c, 1, on_ringing);
}
