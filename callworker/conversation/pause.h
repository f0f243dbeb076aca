/*
 * A pause of the conversation: the agent says that a moment is needed, then the
 * caller hears music and neither hears the other, until it goes on.
 */
#ifndef PHONY_CALLWORKER_CONVERSATION_PAUSE_H
#define PHONY_CALLWORKER_CONVERSATION_PAUSE_H

#include "callworker/conversation/agent.h"
#include "callworker/conversation/hold.h"

struct pause;

struct pause *pause_new(struct ws_loop *loop, struct playout *playout, struct agent *agent,
			struct hold *hold);
void pause_free(struct pause **p);

/* directive: what the agent is told to announce; NULL when it has announced it itself. */
void pause_begin(struct pause *p, const char *directive);
/* The agent is told how it goes on, and speaks. NULL: a tool's result tells it. */
void pause_end(struct pause *p, const char *directive);
bool pause_on(const struct pause *p);

#endif
