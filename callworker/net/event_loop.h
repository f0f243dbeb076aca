/*
 * The worker's loop, on libwebsockets: timers, watched descriptors, and the
 * sockets of callworker/net/websocket.h. One thread, nothing that blocks.
 */
#ifndef PHONY_CALLWORKER_NET_EVENT_LOOP_H
#define PHONY_CALLWORKER_NET_EVENT_LOOP_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <sys/queue.h>

struct flight;
struct ws_loop;
struct ws_loop *ws_loop_new(void);
/* Runs until ws_loop_stop. */
void ws_loop_run(struct ws_loop *l);
void ws_loop_stop(struct ws_loop *l);
void ws_loop_free(struct ws_loop **l);

/* From now on everything that comes and goes is recorded. The flight is freed with the loop. */
void ws_loop_record(struct ws_loop *l, struct flight *flight);
struct flight *ws_loop_flight(const struct ws_loop *l); /* NULL when there is none */

/* A replay (callworker/replay.h) calls fn with a connection where the record has voiced come back. */
void ws_loop_on_voiced_back(struct ws_loop *l, void (*fn)(void *arg, int fd), void *arg);

/* A one-shot timer, embedded in its owner. Zero-initialise. */
struct ws_timer {
	lws_sorted_usec_list_t sul; /* first: the callback gets it */
	void (*fn)(void *arg);
	void *arg;
	struct ws_loop *loop;
	unsigned number;
	LIST_ENTRY(ws_timer) next; /* of a replay */
};
void ws_timer_start(struct ws_loop *l, struct ws_timer *t, int ms, void (*fn)(void *), void *arg);
void ws_timer_stop(struct ws_loop *l, struct ws_timer *t);

/* Watches a descriptor that the caller reads and writes itself. */
struct ws_watch;
struct ws_watch_handler {
	void (*readable)(void *arg);
	void (*writable)(void *arg);
};
/* fd is duplicated: the caller keeps its own. */
struct ws_watch *ws_watch_new(struct ws_loop *l, int fd, const struct ws_watch_handler *h, void *arg);
void ws_watch_want_write(struct ws_watch *w);
void ws_watch_free(struct ws_watch **w);

#endif
