/*
 * HTTP asked on the loop (libcurl's multi interface). Retries are data: what
 * certainly was not processed may be sent again by any request; the rest only
 * by requests that say they are safe to repeat.
 */
#ifndef PHONY_HTTP_CLIENT_H
#define PHONY_HTTP_CLIENT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

struct http_client;

enum http_repeat {
	HTTP_ONCE_AT_MOST, /* again only after a refused connection or a 429 */
	HTTP_REPEATABLE,   /* again after any failure and any 5xx, too */
};

struct http_ask {
	const char *method; /* "GET", "POST", "DELETE" */
	const char *url;
	const char *user, *password; /* Basic auth, or NULL */
	const char *header;          /* one more header line, or NULL */
	const char *body;            /* a form, or NULL */
	size_t body_len;
	int timeout_ms; /* for each try; 0: 30 s */
	enum http_repeat repeat;
	unsigned tries; /* 0: 3 */
	/* Redirects followed, each only to https or where url is http, and without user and password on
	 * another host. */
	unsigned redirects;
	size_t body_max; /* longer answers are a failure; 0: 4 MiB */
};

enum http_outcome {
	HTTP_ANSWERED,  /* status and body are set */
	HTTP_NOT_SENT,  /* certainly not processed: no connection */
	HTTP_AMBIGUOUS, /* sent, perhaps processed, no answer */
};

struct http_answer {
	enum http_outcome outcome;
	long status;
	const char *body; /* terminated; "" if none; borrowed */
	size_t body_len;
	const char *content_type; /* "" if none; borrowed */
	const char *fault;        /* words when not answered */
	long retry_after_s;       /* the answer's Retry-After, an hour at most; or 0 */
	long long date_s;         /* its Date, in seconds since 1970, or 0 */
};

typedef void http_answer_fn(void *arg, const struct http_answer *answer);

/* ca_file: trusted beside the system's certificates; "" for none. */
struct http_client *http_client_new(struct event_base *base, const char *ca_file);
/* Everything in ask is copied. The handler is called exactly once, from the loop. */
void http_client_ask(struct http_client *c, const struct http_ask *ask, http_answer_fn *fn, void *arg);
/* Requests in flight end as HTTP_AMBIGUOUS, those that their handlers make too. Whether there were any. */
bool http_client_cancel(struct http_client *c);
/* Cancels, too. */
void http_client_free(struct http_client **c);

#endif
