/* Context templates: instructions that are kept under a name, for calls in and out. */
#ifndef PHONY_VOICED_CALLS_CONTEXTS_H
#define PHONY_VOICED_CALLS_CONTEXTS_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

void contexts_list(struct voiced *v, json_t *args, struct reply reply);
void contexts_get(struct voiced *v, json_t *args, struct reply reply);
void contexts_create(struct voiced *v, json_t *args, struct reply reply);
void contexts_update(struct voiced *v, json_t *args, struct reply reply);
void contexts_delete(struct voiced *v, json_t *args, struct reply reply);

/* systemInstructions of the context with this name or id; NULL: there is none, or error says why. */
typedef void contexts_fn(void *arg, const char *system_instructions, const char *error);
void contexts_look_up(struct voiced *v, const char *name, contexts_fn *fn, void *arg);

#endif
