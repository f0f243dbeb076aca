/*
 * HTTP/1.1 served on connections that somebody else accepted (libmicrohttpd).
 * A connection serves one request and is closed: its next request might belong
 * to another process, and connections cost little behind a proxy.
 */
#ifndef PHONY_HTTP_SERVER_H
#define PHONY_HTTP_SERVER_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct http_server;
struct http_request;

struct http_limits {
	size_t body_bytes;        /* over it: 413 */
	size_t header_bytes;      /* over it: 414 or 431 */
	unsigned idle_timeout_s;  /* a client that says nothing for so long is dropped */
	unsigned whole_timeout_s; /* so is one whose request is not there whole by then */
};

/*
 * Called when a request has arrived whole. It ends in exactly one http_reply,
 * now or later; until then the request is the handler's.
 */
typedef void http_handler_fn(struct http_request *r, void *arg);

struct http_server *http_server_new(struct event_base *base, const struct http_limits *limits,
				    http_handler_fn *handler, void *arg);
/*
 * X-Forwarded-For is believed of these addresses (by commas); requests_per_s: what
 * http_rate_take gives each source (0: everything). trusted must outlive the server.
 */
void http_server_protect(struct http_server *s, const char *trusted, unsigned requests_per_s);
/* Takes over a connected descriptor with its request still unread. */
void http_server_adopt(struct http_server *s, int fd);
/* Requests that have arrived and are not answered yet; streams of events do not count. */
unsigned http_server_in_work(const struct http_server *s);
/* Requests in work are answered 503. */
void http_server_free(struct http_server **s);

const char *http_method(const struct http_request *r);
const char *http_target(const struct http_request *r); /* as sent: path and query, escaped */
const char *http_path(const struct http_request *r);   /* target without query */
const char *http_query(const struct http_request *r);  /* without '?'; "" if none */
const char *http_body(const struct http_request *r, size_t *len);
const char *http_header(const struct http_request *r, const char *name); /* NULL if none */
/* All lines of this name as the one list that they are (RFC 9110, 5.3). NULL if none; the caller frees. */
char *http_header_list(const struct http_request *r, const char *name);
/* Whether the body is told to be JSON. */
bool http_is_json(const struct http_request *r);
/* Asked on this machine, and not through a proxy on it. */
bool http_from_loopback(const struct http_request *r);
/* Whether a trusted proxy says that it was asked over https. */
bool http_is_tls(const struct http_request *r);
/* The cookie's value; false when there is none, or it does not fit. */
bool http_cookie(const struct http_request *r, const char *name, char *out, size_t size);
/* Takes so much of what the request's source may ask; loopback may ask anything. */
bool http_rate_take(struct http_request *r, unsigned cost);

/* A header "Name: value" of the answer to come. */
void http_header_add(struct http_request *r, const char *line);
/* content_type may be NULL when len is 0. extra: a header "Name: value", or NULL. */
void http_reply(struct http_request *r, unsigned status, const char *content_type, const char *body,
		size_t len, const char *extra);
/* A file's first len bytes; fd is taken over. */
void http_reply_file(struct http_request *r, const char *content_type, int fd, size_t len);
/* Steals the value. */
void http_reply_json(struct http_request *r, unsigned status, json_t *value);
/* {"status":"error","code":…,"message":…} */
void http_reply_error(struct http_request *r, unsigned status, const char *code, const char *message);

/*
 * Who asked has gone away, before the answer was sent or while a stream of
 * events goes on. Told once at most; the request still has to be ended.
 */
typedef void http_gone_fn(void *arg);
void http_on_gone(struct http_request *r, http_gone_fn *fn, void *arg);

/*
 * Server-sent events: the answer begins, and goes on until http_stream_end (in
 * place of http_reply). extra: a header, or NULL. An empty comment is sent every
 * 15 s, so that proxies keep the connection.
 */
void http_stream_begin(struct http_request *r, const char *extra);
bool http_is_stream(const struct http_request *r);
/*
 * One event. id may be NULL, name too; data is one line. False: nobody takes
 * what was sent before, or they have gone; nothing more reaches them.
 */
bool http_stream_event(struct http_request *r, const char *id, const char *name, const char *data);
void http_stream_end(struct http_request *r);

#endif
