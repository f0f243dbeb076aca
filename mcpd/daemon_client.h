/*
 * mcpd's way to the daemons: attaches to the running instance at the first
 * question, brings one up when there is none, asks, and keeps no data.
 */
#ifndef PHONY_MCPD_DAEMON_CLIENT_H
#define PHONY_MCPD_DAEMON_CLIENT_H

#include "lib/config/config.h"
#include "proto/peer.h"

#include <event2/event.h>

struct backend;

/*
 * Does nothing yet: no connection, no file, no process. config_file may be NULL.
 * bring_up: an instance is started when there is none.
 */
struct backend *backend_new(struct event_base *base, const char *config_file, bool bring_up);
/* Detaches while nothing is asked: an instance without clients may end. */
void backend_rest(struct backend *b);
/* Questions not answered yet end with an error. */
void backend_free(struct backend **b);

/* Told what happens, once backend_subscribe was called. The item is borrowed. */
typedef void backend_news_fn(void *arg, const json_t *item);
void backend_on_news(struct backend *b, backend_news_fn *fn, void *arg);
void backend_subscribe(struct backend *b);

/* args is stolen. fn is called exactly once, from the loop. */
void backend_ask(struct backend *b, enum message type, json_t *args, peer_answer_fn *fn, void *arg);

/* CONFIRM_CALLS, read now; false while phony is not configured. */
bool backend_confirms(struct backend *b);

#endif
