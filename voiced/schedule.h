/*
 * Calls for later: kept in the store until they are due, placed by one host, once.
 * A call that was busy or not answered becomes one when it is to be tried again.
 */
#ifndef PHONY_SCHEDULE_H
#define PHONY_SCHEDULE_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

struct schedule;

struct schedule *schedule_new(struct voiced *v);
void schedule_free(struct schedule **s);

/* Keeps a call's document until then, and answers as phony_create_call does. Stolen. */
void schedule_call(struct voiced *v, json_t *document, int64_t due_ms, struct reply reply);
/* The call is over: tried again if it is to be. */
void schedule_retry(struct voiced *v, const struct call *call);
/* phony_cancel_call */
void schedule_cancel(struct voiced *v, json_t *args, struct reply reply);

/* Whether this names a call that was kept for later: PC and 32 hexadecimal digits. */
bool schedule_is_id(const char *text);

#endif
