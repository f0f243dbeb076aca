/*
 * When a child is started, given up or waited for: state and event to action.
 * Pure, so that it can be read and tested as a table.
 */
#ifndef PHONY_SUPERVISOR_RESTART_POLICY_H
#define PHONY_SUPERVISOR_RESTART_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum policy_state {
	POLICY_DOWN,     /* waits for its time to start */
	POLICY_STARTING, /* started, has not said hello */
	POLICY_UP,
	POLICY_STOPPING, /* told to end */
	POLICY_ENDED,    /* will not be started again */
	POLICY_STATES,
};

enum policy_event {
	POLICY_TIME,     /* the deadline given with the last action has come */
	POLICY_HELLO,    /* the child is ready */
	POLICY_EXIT,     /* it has ended */
	POLICY_HOPELESS, /* it has ended with a code that says: starting again cannot help */
	POLICY_STOP,     /* no child is wanted any more */
	POLICY_SILENT,   /* it runs, and has not answered for too long */
	POLICY_EVENTS,
};

enum policy_action { POLICY_NOTHING, POLICY_START, POLICY_KILL };

struct policy {
	enum policy_state state;
	unsigned failures; /* exits since it last was up for POLICY_HEALTHY_MS */
	int64_t up_since_ms;
	/*
	 * It has been up, here or in the instance that this one goes on with: what is hopeless
	 * now was not then, and calls may be live. It is tried again, whatever its exit says.
	 */
	bool was_up;
};

struct policy_step {
	enum policy_action action;
	int64_t deadline_ms; /* when POLICY_TIME is due; -1: never */
};

enum {
	POLICY_DELAY_FIRST_MS = 100,
	POLICY_DELAY_MAX_MS = 30000,
	POLICY_HEALTHY_MS = 2000, /* once it is known to work, a crash throttles nothing */
	POLICY_READY_MS = 30000,  /* for the hello */
};

/* now_ms: a clock that is never set back. */
struct policy_step policy_step(struct policy *p, enum policy_event event, int64_t now_ms);

#endif
