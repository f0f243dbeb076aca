/*
 * The states of a call in voiced, from the request to its end, and what each
 * event does in each: one table (call_lifecycle.c), without effects of its own.
 * call.c keeps the state and applies events; whoever tells an event carries out
 * the action. docs/call-lifecycle.md has the diagram. What becomes of the call in
 * the end (completed, busy, failed, …) is its status, not its state.
 */
#ifndef PHONY_VOICED_REGISTRY_CALL_LIFECYCLE_H
#define PHONY_VOICED_REGISTRY_CALL_LIFECYCLE_H

#include <stdbool.h>

enum lifecycle_state {
	LIFECYCLE_ASKED,    /* in the register, so that it counts; the gate and the store are asked */
	LIFECYCLE_PLACING,  /* Twilio is asked to place it; it has no SID */
	LIFECYCLE_DOUBTFUL, /* Twilio's answer was none: it may exist */
	LIFECYCLE_RINGING,  /* it has a SID, and nobody has answered */
	LIFECYCLE_TALKING,  /* it was answered */
	LIFECYCLE_DROPPED,  /* to be ended, and without a SID yet */
	LIFECYCLE_ENDING,   /* Twilio is asked to end it, and has not told its end */
	LIFECYCLE_OVER,     /* final */
	LIFECYCLE_STATES
};

enum lifecycle_event {
	LIFECYCLE_SENT,       /* the request to place it goes out */
	LIFECYCLE_DOUBTED,    /* it was answered by a timeout or a 5xx */
	LIFECYCLE_NAMED,      /* its SID is known: by the answer, a callback or Twilio's list */
	LIFECYCLE_NOT_PLACED, /* refused, unreachable, not found; stopped at the gate */
	LIFECYCLE_ANSWERED,   /* in progress, or its stream began */
	LIFECYCLE_HANG_UP,    /* somebody on our side wants it to end */
	LIFECYCLE_TOLD_OVER,  /* Twilio says that it has ended */
	LIFECYCLE_EVENTS
};

enum lifecycle_action {
	LIFECYCLE_DO_NOTHING,
	LIFECYCLE_DO_LOOK, /* look for it in Twilio's list */
	LIFECYCLE_DO_END,  /* ask Twilio to end it */
	LIFECYCLE_DO_FAIL, /* it has failed: tell, store, give the quota back */
	LIFECYCLE_DO_CLOSE /* store its end; it leaves the register */
};

struct lifecycle_step {
	enum lifecycle_state next;
	enum lifecycle_action action;
};

struct lifecycle_step lifecycle_step(enum lifecycle_state state, enum lifecycle_event event);

/* The state of a call that is read from its document. */
enum lifecycle_state lifecycle_restored(bool over, bool ending, bool has_sid, bool answered);

/* Whether it is to end, and has not ended. */
bool lifecycle_is_ending(enum lifecycle_state state);

#endif
