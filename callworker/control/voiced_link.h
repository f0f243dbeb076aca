/*
 * The worker's connection to voiced: what it is told to do, and the call's
 * events on their way to the store. When voiced goes away, the call goes on; the
 * next voiced connects to the listening socket that this one gave, and then the
 * call is announced and what was not acknowledged told again.
 */
#ifndef PHONY_CALLWORKER_CONTROL_VOICED_LINK_H
#define PHONY_CALLWORKER_CONTROL_VOICED_LINK_H

#include "callworker/net/websocket.h"
#include "proto/peer.h"

struct control;

struct control_handler {
	/* What to get ready before the call; body borrowed. */
	void (*prepare)(void *arg, json_t *body);
	/* The call to serve; body borrowed, fd (the stream's connection) handed over. */
	void (*assign)(void *arg, json_t *body, int fd);
	/* The agent to open; connection (handed over) leads to its host. */
	void (*agent)(void *arg, json_t *body, int connection);
	/* There is none. */
	void (*no_agent)(void *arg, json_t *body);
	/* The file that the call is recorded into; fd handed over. */
	void (*record)(void *arg, int fd);
	/* Answered by control_reply or control_refuse. */
	void (*question)(void *arg, const struct frame *f);
	/* Every event so far is stored. */
	void (*all_stored)(void *arg);
	/* voiced went away before it assigned a call. */
	void (*orphaned)(void *arg);
	/* Whether AGENT is still waited for: a voiced started anew has to look for one. */
	bool (*needs_agent)(void *arg);
	/* A descriptor of the stream's connection, or -1, for a voiced started anew. */
	int (*stream_fd)(void *arg);
};

/* Takes over fd. */
struct control *control_new(struct ws_loop *loop, int fd, const struct control_handler *h, void *arg);
void control_free(struct control **c);

/* Tells that the process is confined, by this version of Landlock; 0: without. */
void control_cell(struct control *c, int landlock);

/* What to announce to the next voiced. Copied. */
void control_identify(struct control *c, const char *call_id, int64_t attempt);

/* data is stolen; returns the event's number. */
int64_t control_event(struct control *c, const char *type, json_t *data);
bool control_all_stored(const struct control *c);

void control_reply(struct control *c, const struct frame *question, json_t *body);
void control_refuse(struct control *c, const struct frame *question, const char *code, const char *message,
		    int http_status);

#endif
