/*
 * A question to the person on whose behalf the call is made: the caller waits,
 * the answer reaches the agent and the call goes on; without one in time it
 * goes on as well.
 */
#ifndef PHONY_CALLWORKER_CONVERSATION_OPERATOR_QUESTION_H
#define PHONY_CALLWORKER_CONVERSATION_OPERATOR_QUESTION_H

#include "callworker/net/event_loop.h"

#include <jansson.h>

struct operator_line;

struct operator_out {
	/* An event of the call; data is stolen. */
	void (*event)(void *arg, const char *type, json_t *data);
	/* The question's end; tool_id: as it was asked, or NULL. Borrowed. */
	void (*answered)(void *arg, const char *tool_id, const char *text, bool is_error);
	void *arg;
};

/* seconds: how long a question may stay open. */
struct operator_line *operator_new(struct ws_loop *loop, int seconds, const struct operator_out *out);
void operator_free(struct operator_line **o);

/* What the agent announces before the question of somebody else. */
#define OPERATOR_ANNOUNCE                                                                                    \
	"OPERATOR INSTRUCTION:\nTell the person in one short, courteous sentence that you need a moment to " \
	"check something, then wait."

/* No question may be open. tool_id: of the agent's call, or NULL when somebody else asks. */
void operator_ask(struct operator_line *o, const char *tool_id, const char *question);
/* Why there is nothing to answer, or NULL. */
const char *operator_answer(struct operator_line *o, const char *answer);
/* The call ends: an open question is forgotten. */
void operator_stop(struct operator_line *o);
bool operator_waits(const struct operator_line *o);

#endif
