/* What time it is where a phone rings, as far as its country's code tells. */
#ifndef PHONY_ZONES_H
#define PHONY_ZONES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The local time of the earliest and of the latest zone of the number's country,
 * in minutes since midnight. A country with several zones has a span between.
 * False when the country is not known.
 */
bool zones_local_minutes(const char *number, int64_t wall_ms, int *earliest, int *latest);

/* Whether minute lies in [from, to) of a day, which may go over midnight. */
bool zones_within(int minute, int from, int to);

#endif
