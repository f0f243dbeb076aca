/* Calls that are over are found by their words. */
#ifndef PHONY_VOICED_API_CALL_SEARCH_H
#define PHONY_VOICED_API_CALL_SEARCH_H

#include "lib/base/json_read.h"
#include "lib/base/reply.h"
#include "voiced/voiced.h"

void search_calls(struct voiced *v, json_t *args, struct reply reply);
/* The filters that searching and deleting share; owned by the caller. */
json_t *search_read_filters(struct json_reader *r);

/* The call is over: what was said in it is found from now on. */
void search_index(struct voiced *v, const struct call *call);

#endif
