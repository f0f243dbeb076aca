/* How a call ends: by a wish, a fault or the carrier; with its outcome asked for, and everything stored. */
#ifndef PHONY_ENDING_H
#define PHONY_ENDING_H

#include <stdbool.h>

struct call;

/* Ends the call for this reason (borrowed, for ever), after the agent has told its outcome. arg: the call. */
void ending_leave(void *arg, const char *reason);
/*
 * The call cannot go on. Once the reason is stored the stream is given back to
 * the carrier, which then asks voiced what to do: it must know by then.
 */
void ending_give_up(struct call *c, const char *event, const char *why);
/* The stream is gone: tells the rest and waits until it is stored. */
void ending_finish(struct call *c, const char *fault, bool cut);

/* Nothing more is said; the carrier is expected to end the stream. */
void ending_begin(struct call *c);
/* Whether the agent still has to tell what came of the call. */
bool ending_wants_outcome(const struct call *c);
/* The agent reports, unheard; then ending_outcome_over goes on. */
void ending_ask_outcome(struct call *c);
/* The outcome is known, or never will be. arg: the call. */
void ending_outcome_over(void *arg);
void ending_close_agent(struct call *c);
/* Leaves the loop if everything is over and stored. */
void ending_stop_if_stored(struct call *c);

#endif
