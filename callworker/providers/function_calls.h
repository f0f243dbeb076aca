/*
 * The functions that the agent calls in one OpenAI session: each is run once its
 * item is complete (an interrupted response ends its arguments anywhere, and says
 * so with the same event), once only, and the agent speaks on when every one of
 * its response has been answered.
 */
#ifndef PHONY_CALLWORKER_PROVIDERS_FUNCTION_CALLS_H
#define PHONY_CALLWORKER_PROVIDERS_FUNCTION_CALLS_H

#include <stdbool.h>

struct function_calls;

/* Runs a call: function_calls_answered follows, now or later. Borrowed. */
typedef void function_calls_run_fn(void *arg, const char *id, const char *name, const char *arguments);

struct function_calls *function_calls_new(function_calls_run_fn *run, void *arg);
void function_calls_free(struct function_calls **f);

/* Told by one of the events that carry it; a repeat changes nothing. response: "" when it is not known. */
void function_calls_add(struct function_calls *f, const char *id, const char *response, const char *name,
			const char *arguments);
/* Its item is over: it is run if it is complete, else dropped. */
void function_calls_end(struct function_calls *f, const char *id, bool complete);
/* So are all items of the response. */
void function_calls_response_end(struct function_calls *f, const char *response, bool complete);

/* Its output was sent. go_on: the agent is to speak on with it. */
void function_calls_answered(struct function_calls *f, const char *id, bool go_on);
/*
 * Whether a response is wanted now: every call of the response has its output, and
 * none of them was the conversation's last. True once for each of these.
 */
bool function_calls_settled(struct function_calls *f);

#endif
