/*
 * A POST that carries a request (or a batch of the older era), and its answer:
 * one JSON text, or a stream of events whose last one is the answer.
 */
#ifndef PHONY_MCPD_TRANSPORT_HTTP_POST_H
#define PHONY_MCPD_TRANSPORT_HTTP_POST_H

#include "lib/http/server.h"
#include "lib/loop/loop.h"
#include "mcpd/rpc.h"
#include "mcpd/transport/http_events.h"

#include <sys/queue.h>

struct post {
	LIST_ENTRY(post) next;
	struct event_base *base;
	struct http_request *request; /* NULL: answered, or its client may come back */
	bool over;                    /* nothing more goes out on it */
	json_t *about;                /* the request's id, or the batch */
	struct timer begin;           /* until it becomes a stream */
	struct timer end;             /* to free it */
	/* In the current era a POST is a client of its own. */
	struct rpc *rpc;
	bool bad_meta;
	/* In the older one its stream can be resumed. Borrowed, or NULL. */
	struct http_events *events;
	unsigned stream;
};

LIST_HEAD(post_list, post);

/* about is borrowed. It leaves the list and is freed by itself once it is over. */
struct post *post_new(struct post_list *list, struct event_base *base, struct http_request *r,
		      const json_t *about);
/* Ends those that are not over; nobody is told. */
void post_free_all(struct post_list *list);

/*
 * The request's client is told something, or the answer, which ends it; message
 * is stolen. NULL: it was cancelled and ends without an answer (MCP 2025-11-25,
 * Cancellation: none is to be sent).
 */
void post_send(struct post *p, json_t *message);
/* An answer that takes longer than a moment comes on a stream that its client knows from the beginning. */
void post_begin_soon(struct post *p);
/* Whether its client is there. */
bool post_is_connected(const struct post *p);
/* Whether its client may come back to its stream, and that it does. */
bool post_is_resumable(const struct post *p);
void post_resume(struct post *p, struct http_request *r, struct http_event_id after);

/* A fault found before the message is looked at; id is borrowed, or NULL; data is stolen. */
void post_refuse(struct http_request *r, unsigned status, const json_t *id, int code, const char *message,
		 json_t *data);

#endif
