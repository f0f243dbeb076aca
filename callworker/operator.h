/*
 * A question to the person on whose behalf the call is made: the caller waits,
 * the answer reaches the agent and the call goes on; without one in time it
 * goes on as well.
 */
#ifndef PHONY_OPERATOR_H
#define PHONY_OPERATOR_H

#include "callworker/pause.h"

#include <jansson.h>

struct operator_line;

struct operator_out {
	/* An event of the call; data is stolen. */
	void (*event)(void *arg, const char *type, json_t *data);
	void (*result)(void *arg, const char *id, const char *result, bool is_error, bool go_on);
	void *arg;
};

/* seconds: how long a question may stay open. */
struct operator_line *operator_new(struct ws_loop *loop, struct pause *pause, int seconds,
				   const struct operator_out *out);
void operator_free(struct operator_line **o);

/* tool_id: of the agent's call, or NULL when somebody else asks. Why it cannot be asked, or NULL. */
const char *operator_ask(struct operator_line *o, const char *tool_id, const char *question);
/* Why there is nothing to answer, or NULL. */
const char *operator_answer(struct operator_line *o, const char *answer);
bool operator_waits(const struct operator_line *o);

#endif
