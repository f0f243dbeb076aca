/*
 * The tasks extension of the current era: a call is a task, named by the callSid
 * that phony_create_call gave, for clients that declare io.modelcontextprotocol/tasks. It works while
 * the call lives, asks for input while the agent has a question, and its result
 * is what came of the call. Nothing is kept here: the call's record is the task.
 */
#ifndef PHONY_MCPD_FEATURES_TASKS_H
#define PHONY_MCPD_FEATURES_TASKS_H

#include "mcpd/request.h"

#define TASKS_EXTENSION "io.modelcontextprotocol/tasks"

/* Whether this request's client takes a task in place of a result. */
bool tasks_wanted(const struct request *q);
/* phony_create_call's answer (borrowed), told as a task. */
void tasks_created(struct request *q, const json_t *reply);

void tasks_get(struct request *q);
void tasks_update(struct request *q);
void tasks_cancel(struct request *q);

/*
 * A call (MSG_GET_CALL's answer) as a task, under the id that its client knows:
 * the callSid, or the PC… that it had while it was scheduled. with_input: the
 * client can be asked. Owned by the caller.
 */
json_t *tasks_describe(const char *id, const json_t *call, bool with_input);

#endif
