/* Timers and deferred calls on a libevent base: the one idiom for both. */
#ifndef PHONY_LOOP_H
#define PHONY_LOOP_H

#include <event2/event.h>
#include <stdbool.h>

typedef void loop_fn(void *arg);

/* A one-shot timer, embedded in its owner. Zero-initialise; stop it before the owner goes. */
struct timer {
	struct event *event;
	loop_fn *fn;
	void *arg;
};

/* (Re)starts: fn(arg) is called once after ms milliseconds; it may start the timer again. */
void timer_start(struct timer *t, struct event_base *base, int ms, loop_fn *fn, void *arg);
void timer_stop(struct timer *t);
bool timer_running(const struct timer *t);

/* Calls fn(arg) once, soon, from the loop. */
void loop_defer(struct event_base *base, loop_fn *fn, void *arg);

/* A libevent base; with any_fd it can watch regular files too (no epoll). */
struct event_base *loop_new(bool any_fd);

#endif
