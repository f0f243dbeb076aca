/* Calls that are over: found by their words, removed. */
#ifndef PHONY_SEARCH_H
#define PHONY_SEARCH_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

void search_calls(struct voiced *v, json_t *args, struct reply reply);
void search_delete_call(struct voiced *v, json_t *args, struct reply reply);
void search_delete_calls(struct voiced *v, json_t *args, struct reply reply);

/* The call is over: what was said in it is found from now on. */
void search_index(struct voiced *v, const struct call *call);

#endif
