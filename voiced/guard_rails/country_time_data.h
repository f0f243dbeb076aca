/* The tables that voiced/guard_rails/country_time_generate.py writes. */
#ifndef PHONY_VOICED_GUARD_RAILS_COUNTRY_TIME_DATA_H
#define PHONY_VOICED_GUARD_RAILS_COUNTRY_TIME_DATA_H

#include <stddef.h>

/* A zone of the tz database, and its rule as a POSIX TZ string: "CET-1CEST,M3.5.0,M10.5.0/3". */
struct country_zone {
	const char *name, *rule;
};
extern const struct country_zone country_zones[];

/* The zones of a set begin at `set` in country_zone_sets and end before -1. */
struct country_prefix {
	const char *digits; /* of an international number, without the plus */
	short set;
};
extern const short country_zone_sets[];
extern const struct country_prefix country_prefixes[]; /* in the order of strcmp */
extern const size_t country_prefix_count;

/* What numbers of premium rate begin with, without the plus; in the order of strcmp. */
extern const char *const premium_prefixes[];
extern const size_t premium_prefix_count;

#endif
