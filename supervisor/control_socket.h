/* RUN_DIR/phony.sock: `phony status` and `phony upgrade` ask the running instance. */
#ifndef PHONY_SUPERVISOR_CONTROL_SOCKET_H
#define PHONY_SUPERVISOR_CONTROL_SOCKET_H

#include <event2/event.h>
#include <jansson.h>

struct tools;

struct tools_handler {
	/* done({pid, processes: […]}), once (owned by done). */
	void (*status)(void *arg, void (*done)(void *done_arg, json_t *status), void *done_arg);
	/* Begins an upgrade, which tools_answer_upgrade answers; or why it cannot be. */
	const char *(*upgrade)(void *arg);
};

struct tools *tools_open(struct event_base *base, int listener, const struct tools_handler *h, void *arg);
/* Whoever waits for the upgrade to begin is told that it does (NULL), or why not. */
void tools_answer_upgrade(struct tools *all, const char *refusal);
/* Ends the connections, and lets nobody more in. */
void tools_close(struct tools **all);

#endif
