/* What workers tell of their calls: stored, acknowledged, acted upon. */
#ifndef PHONY_EVENTS_H
#define PHONY_EVENTS_H

#include "voiced/voiced.h"

/* One event as it came; it is acknowledged to the call's worker once it is durable. */
void events_take(struct voiced *v, struct call *call, int64_t attempt, json_t *event);

#endif
