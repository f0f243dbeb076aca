/* phony_wait_for_call: answered when the next thing happens in a call, or when the time is up. */
#ifndef PHONY_VOICED_API_WAIT_H
#define PHONY_VOICED_API_WAIT_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

void waiting_wait(struct voiced *v, json_t *args, struct reply reply);

#endif
