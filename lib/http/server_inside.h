/*
 * What the files of the HTTP server share: server.c (connections, MHD's calls),
 * request.c (a request as its handler sees it, and its answer), stream.c
 * (server-sent events).
 */
#ifndef PHONY_HTTP_SERVER_INSIDE_H
#define PHONY_HTTP_SERVER_INSIDE_H

#include "lib/base/buffer.h"
#include "lib/base/object.h"
#include "lib/http/rate_limit.h"
#include "lib/http/server.h"
#include "lib/loop/loop.h"

#include <microhttpd.h>
#include <sys/queue.h>

#define SERVER_MAGIC 0x68747370u
#define REQUEST_MAGIC 0x68747271u

enum { HEADERS_MAX = 4 };

struct http_request {
	unsigned magic;
	LIST_ENTRY(http_request) next;
	struct http_server *server;
	struct MHD_Connection *connection;
	char *target, *path;
	char method[16];
	struct buffer body;
	bool too_large, handled, suspended;
	unsigned status;
	struct MHD_Response *response;
	char *headers[HEADERS_MAX]; /* further ones of the answer */
	unsigned header_count;
	http_gone_fn *gone;
	void *gone_arg;
	struct event *closed; /* the client's end of the connection */
	struct stream *stream;
};

/* Server-sent events on their way. Freed when it was ended and the connection is done. */
struct stream {
	struct buffer out;
	struct timer comment;
	bool ended, done;
};

struct http_server {
	unsigned magic;
	struct event_base *base;
	struct http_limits limits;
	http_handler_fn *handler;
	void *arg;
	struct MHD_Daemon *daemon;
	struct event *readable;
	struct timer timeout;
	bool kicked, closing;
	bool ending; /* who comes now is too late */
	LIST_HEAD(, http_request) requests;
	const char *trusted;
	struct rate *rate;
};

/* MHD has work that its descriptor does not show: it is run soon, from the loop. */
void http_server_kick(struct http_server *s);

/* The answer is ready: r->response is it. content_type and extra (a header) may be NULL. */
void http_request_answer(struct http_request *r, unsigned status, const char *content_type,
			 const char *extra);
/* The client's end is not of interest any more; or: it has come, and is told. */
void http_request_unwatch(struct http_request *r);
void http_request_tell_gone(struct http_request *r);
void http_request_free(struct http_request *r);

#endif
