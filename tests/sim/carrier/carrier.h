/*
 * The simulated Twilio: REST for calls, signed webhooks, TwiML, Media Streams,
 * and the people who are called. One struct for what its files share.
 */
#ifndef SIM_CARRIER_H
#define SIM_CARRIER_H

#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

struct stream;
struct twiml;

struct call {
	LIST_ENTRY(call) next;
	char sid[35], to[20], from[20];
	char *url, *status_callback;
	json_t *callee;     /* how the person called behaves */
	const char *status; /* queued, ringing, in-progress, … */
	unsigned events;    /* wanted callbacks, a bit each */
	int sequence;       /* of the callbacks */
	int64_t created_us, answered_us, created_s;
	struct twiml *twiml; /* the document that runs */
	size_t verb;
	struct stream *stream;
	struct event *timer;
	unsigned streams; /* opened so far */
	bool hidden;      /* "lose": the request was never processed */
	bool inbound;
	char *amd_callback, *recording_callback; /* NULL: none was asked for */
	char recording_sid[35];
	bool recorded;    /* Record=true */
	bool detect_end;  /* of an answering machine's greeting */
	int ring_timeout_s, time_limit_s;
	struct event *amd_timer, *limit_timer;
	char *play_from;  /* the URL whose document runs */
};

extern struct carrier {
	struct event_base *base;
	json_t *scenario;
	const char *account_sid, *auth_token, *record_dir;
	LIST_HEAD(, call) calls;
	size_t creates;
} carrier;

/* rest.c */
void rest_handle(struct evhttp_request *r, void *arg);
void rest_answer(struct evhttp_request *r, int status, json_t *body); /* body is stolen */
void rest_refuse(struct evhttp_request *r, int status, int code, const char *message);
/* Cuts the connection without an answer. */
void rest_drop(struct evhttp_request *r);
bool rest_number_is_ours(const char *from);
/* What its clock says (`clock_skew_s`), and as it writes it. */
time_t carrier_time(void);
void carrier_date(time_t when, char out[64]);
/* One of {NAME: SHARE, …, seed}, or "". */
const char *rest_chance(const json_t *random, unsigned *state);
struct evkeyvalq;
/* Adds a parameter of any characters; evhttp_add_header refuses CR LF. */
void rest_param(struct evkeyvalq *params, const char *key, const char *value);

/* messages.c */
struct evkeyvalq;
void message_create(struct evhttp_request *r, struct evkeyvalq *form);
void message_list(struct evhttp_request *r, struct evkeyvalq *query);
void message_fetch(struct evhttp_request *r, const char *sid);

/* numbers.c: our numbers, recordings and transcriptions. False: not its business. */
bool storage_handle(struct evhttp_request *r, const char *path);
bool numbers_handle(struct evhttp_request *r, const char *rest, bool post, struct evkeyvalq *params);

/* spec.c: the OpenAPI description. Violations of a request; false after one. */
void spec_load(const char *path);
struct evkeyvalq;
bool spec_check(const char *method, const char *path, struct evkeyvalq *params, const char *who);

/* hooks.c: a signed POST; done gets the answer (NULL body after failure), once. */
typedef void hook_fn(void *arg, int status, const char *content_type, const char *body);
void hook_post(const char *url, struct evkeyvalq *params, hook_fn *fn, void *arg);
/* base64 of HMAC-SHA1 over the URL and the sorted parameters. */
void hook_sign(const char *url, struct evkeyvalq *params, char out[32]);

/* twiml.c: a strict reader. */
struct twiml_verb {
	char name[16];
	char *url, *text;   /* Stream's url; Redirect's, Say's, Dial's text */
	json_t *parameters; /* of a Stream */
	json_t *attributes; /* of the verb: Record's, Dial's */
};
struct twiml {
	struct twiml_verb verbs[16];
	size_t count;
};
struct twiml *twiml_read(const char *text, const char *who);
void twiml_free(struct twiml *t);

/* calls.c */
struct call *call_new(const char *to, const char *from, const char *url, const char *callback,
		      unsigned events, json_t *callee);
struct call *call_find(const char *sid);
void call_begin(struct call *c);
bool call_is_over(const struct call *c);
/* Ends it with this final status. */
void call_end(struct call *c, const char *status);
/* A person calls one of our numbers; url: its voice webhook. */
void call_dial(const char *from, const char *to, const char *url, json_t *callee);
/* Another document, from this URL or as it stands, takes over. */
void call_take_over(struct call *c, const char *url, const char *twiml);
/* A recording through the API. */
void call_record(struct call *c, const char *callback);
/* The stream has ended for this reason: the next verb runs. */
void call_stream_ended(struct call *c);
json_t *call_resource(const struct call *c);

/* stream.c */
struct stream *stream_open(struct call *c, const char *url, json_t *parameters);
/* The call is over: stop, then close. */
void stream_stop(struct stream *s);
void stream_reset(struct stream *s);
/* Of the streams whose frames fall into this slot of 20 ms. */
void streams_tick(unsigned slot);

#endif
