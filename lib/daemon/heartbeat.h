/*
 * Whether the process at the other end of a link still runs its loop: it is asked a
 * question again and again, and its answers are what counts. A process that hangs (in
 * an endless loop, a blocked write, stopped) looks like a healthy one otherwise.
 *
 * Embedded in its owner, zero-initialised; stop it before the owner goes. One that a
 * debugger holds is excused, and so is everybody for the time that we did not run.
 */
#ifndef PHONY_DAEMON_HEARTBEAT_H
#define PHONY_DAEMON_HEARTBEAT_H

#include "lib/daemon/peer_link.h"
#include "lib/loop/loop.h"

#include <sys/types.h>

/* It has not answered for the whole limit; told again after another one. */
typedef void heartbeat_silent_fn(void *arg);

struct heartbeat {
	struct event_base *base;
	struct link *const *link;
	pid_t pid;
	enum message question;
	int64_t limit_ms, looked_ms, answered_ms;
	bool pending;
	heartbeat_silent_fn *silent;
	void *arg;
	struct timer timer;
};

/*
 * link is the owner's, NULL once the other side has closed it: then nothing can be
 * answered any more. limit_s 0: nobody is asked.
 */
void heartbeat_start(struct heartbeat *h, struct event_base *base, struct link *const *link, pid_t pid,
		     enum message question, unsigned limit_s, heartbeat_silent_fn *silent, void *arg);
void heartbeat_stop(struct heartbeat *h);

#endif
