/*
 * What time it is where a phone rings, by its number: from the longest known
 * prefix (an area, else the whole country) to its time zones, and from a zone to
 * its clock. A number may lie in several zones; then all of them count. The
 * tables are libphonenumber's and the tz database's (country_time_generate.py).
 */
#ifndef PHONY_VOICED_GUARD_RAILS_COUNTRY_TIME_H
#define PHONY_VOICED_GUARD_RAILS_COUNTRY_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Minutes that a POSIX TZ rule ("EST5EDT,M3.2.0,M11.1.0") puts the clock ahead of UTC at this moment. */
int tz_rule_offset_min(const char *rule, int64_t wall_ms);

/* The clocks that a number's phone may show: the one that is furthest behind, and the one furthest ahead. */
struct country_time {
	const char *west_zone, *east_zone; /* names of the tz database; static */
	int west_offset_min, east_offset_min;
	int west_minute, east_minute; /* of the day */
};
/* False when nothing is known of such numbers. */
bool country_time_of(const char *number, int64_t wall_ms, struct country_time *out);

/* From and to as minutes of a day, to excluded; from > to goes over midnight, equal ones are no time at all.
 */
bool minute_within(int minute, int from, int to);
/* Whether it is between from and to in any zone that the number may lie in; an unknown number always is. */
bool country_time_is_quiet(const char *number, int64_t wall_ms, int from, int to);
/* The first minute at or after wall_ms that is not, within the next two days; 0: there is none. */
int64_t country_time_next_allowed(const char *number, int64_t wall_ms, int from, int to);

/* "Friday, 27 November 2026, 18:32 (America/New_York, UTC-05:00)", or both ends of the span; UTC for an
 * unknown number. */
enum { COUNTRY_TIME_TEXT_SIZE = 200 };
void country_time_text(const char *number, int64_t wall_ms, char out[COUNTRY_TIME_TEXT_SIZE]);

/* The day there, "2026-11-27", by the clock that is furthest behind. */
void country_time_date(const char *number, int64_t wall_ms, char out[COUNTRY_TIME_TEXT_SIZE]);

/* Whether numbers that begin so are of premium rate. */
bool country_is_premium(const char *number);

#endif
