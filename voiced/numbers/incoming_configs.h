/*
 * What happens with a call to one of our numbers: its handler, kept in the store
 * (the original's incomingconfigs).
 */
#ifndef PHONY_VOICED_NUMBERS_INCOMING_CONFIGS_H
#define PHONY_VOICED_NUMBERS_INCOMING_CONFIGS_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

void handlers_list(struct voiced *v, json_t *args, struct reply reply);
void handlers_get(struct voiced *v, json_t *args, struct reply reply);
void handlers_create(struct voiced *v, json_t *args, struct reply reply);
void handlers_update(struct voiced *v, json_t *args, struct reply reply);
void handlers_delete(struct voiced *v, json_t *args, struct reply reply);

/* The handler of a number, or null. */
void handlers_look_up(struct voiced *v, const char *number, store_fn *fn, void *arg);

#endif
