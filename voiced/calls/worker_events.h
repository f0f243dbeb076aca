/* What workers tell of their calls: stored, acknowledged, acted upon. */
#ifndef PHONY_VOICED_CALLS_WORKER_EVENTS_H
#define PHONY_VOICED_CALLS_WORKER_EVENTS_H

#include "voiced/voiced.h"

/* One event as it came; it is acknowledged to the worker once it is durable. */
void events_take(struct voiced *v, struct call *call, int64_t attempt, pid_t worker, json_t *event);

/*
 * The same of a call that is over and has left the register while its worker could
 * not reach us: kept all the same, and acknowledged to that worker.
 */
void events_take_late(struct voiced *v, const char *call_id, int64_t attempt, pid_t worker, json_t *event);

/* Whether an event of the call waits because the store could not take it: it is not read yet. */
bool events_wait(const struct voiced *v, const struct call *call);

/* What is not stored yet is its worker's to tell again: voiced ends. */
void events_forget(struct voiced *v);

#endif
