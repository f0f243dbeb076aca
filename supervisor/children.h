/* The daemons: started, watched, started again, ended. */
#ifndef PHONY_SUPERVISOR_CHILDREN_H
#define PHONY_SUPERVISOR_CHILDREN_H

#include "lib/daemon/peer_link.h"
#include "supervisor/listeners.h"

#include <event2/event.h>
#include <jansson.h>

struct children;

struct children_handler {
	/* Every daemon has said hello; told once. */
	void (*ready)(void *arg);
	/* voiced tells of its load. */
	void (*load)(void *arg, unsigned clients, unsigned live_calls);
	/* voiced has changed settings that are to be put in force. */
	void (*reload)(void *arg);
	/* All have ended, as children_stop wished, or one for good: its exit code. */
	void (*ended)(void *arg, int exit_code);
};

/* What every daemon is started with; borrowed. */
struct children_start {
	const struct doors *doors;
	const char *config_file; /* NULL: the usual place */
	int settings;            /* config_snapshot */
	unsigned heartbeat_s;    /* HEARTBEAT_SECONDS */
	bool goes_on;            /* another instance served before, and calls may be live */
};

struct children *children_new(struct event_base *base, const struct children_start *with,
			      const struct children_handler *h, void *arg);
void children_start(struct children *c);
/* No new work; voiced ends first, when its calls have ended or the seconds are over. */
void children_stop(struct children *c, unsigned drain_s);
/* Every daemon gives way to the next of its kind; calls go on. Then ended() is told. */
void children_step_down(struct children *c);
/* Runs a program and tells how it ended (wait status); one at a time. False with errno. */
typedef void children_ran_fn(void *arg, int status);
bool children_run(struct children *c, const char *path, const char *const argv[], children_ran_fn *fn,
		  void *arg);
/* Ends every process below us now. */
void children_kill(struct children *c);
void children_free(struct children **c);

/* What each daemon says of itself: done({processes: […]}) (owned by done). */
void children_status(struct children *c, void (*done)(void *arg, json_t *status), void *arg);

#endif
