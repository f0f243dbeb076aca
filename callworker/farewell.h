/*
 * How a conversation comes to its end: somebody says goodbye, or the agent
 * decides; the last words are heard; then the call is left. Words that follow
 * take a goodbye back, but not a decision.
 */
#ifndef PHONY_FAREWELL_H
#define PHONY_FAREWELL_H

#include "callworker/playout.h"

struct farewell;

/* leave(arg, reason) is called once, from the loop; reason is a constant. */
struct farewell *farewell_new(struct ws_loop *loop, struct playout *playout,
			      void (*leave)(void *arg, const char *reason), void *arg);
void farewell_free(struct farewell **f);

/* Utterances, as they are understood. */
void farewell_agent_said(struct farewell *f, const char *text);
void farewell_caller_said(struct farewell *f, const char *text);
/* The agent ends the call (a tool, its own close): reason is a constant. */
void farewell_agent_decided(struct farewell *f, const char *reason);

/* More of the agent's voice, or digits, went out: the end waits until that was heard, too. */
void farewell_spoken(struct farewell *f);
/* The caller spoke over the agent. */
void farewell_interrupted(struct farewell *f);

/* Whether the end has begun. */
bool farewell_begun(const struct farewell *f);
/* The call is left for another reason: nothing more is waited for. */
void farewell_stop(struct farewell *f);

#endif
