/* How often each source may ask: a bucket of tokens for each, the longest unused ones forgotten. */
#ifndef PHONY_HTTP_RATE_LIMIT_H
#define PHONY_HTTP_RATE_LIMIT_H

#include "lib/base/clock.h"

#include <stdbool.h>

struct rate;

enum { RATE_BURST_S = 4 }; /* a full bucket holds what so many seconds bring */

/* per_second 0: everything is allowed. */
struct rate *rate_new(unsigned per_second);
void rate_free(struct rate **r);

/* Takes cost tokens of the source's bucket; false: there are not so many. */
bool rate_take(struct rate *r, const char *source, unsigned cost, struct mono_us now);

#endif
