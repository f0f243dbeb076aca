#include "voiced/guard_rails/country_time.h"

#include "lib/base/text.h"
#include "voiced/guard_rails/country_time_data.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 86400, DAY_MIN = 1440, LOOK_AHEAD_MIN = 2 * DAY_MIN, MINUTE_MS = 60000 };

/* ---- a POSIX TZ rule (POSIX.1-2017, 8.3; RFC 9636 allows hours to 167) ---- */

/* Days since 1970 of a civil date (proleptic Gregorian calendar). */
static int64_t days_of(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400, year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static void skip_name(const char **at)
{
	if (**at == '<')
		*at += strcspn(*at, ">") + 1;
	else
		while (isalpha((unsigned char)**at))
			(*at)++;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static long read_clock(const char **at)
{
	long sign = **at == '-' ? -1 : 1, seconds = 0, unit = 3600;
	*at += **at == '-' || **at == '+';
	for (; isdigit((unsigned char)**at); unit /= 60) {
		char *end;
		seconds += strtol(*at, &end, 10) * unit;
		*at = end + (*end == ':');
	}
	return sign * seconds;
}

static int read_int(const char **at)
{
	char *end;
	int value = (int)strtol(*at, &end, 10);
	*at = end;
	return value;
}

/* "Mm.w.d[/time]", "Jn[/time]" or "n[/time]": seconds since 1970, on the wall, in this year. */
static int64_t read_change(const char **at, int64_t year)
{
	int64_t day;
	if (**at == 'M') {
		(*at)++;
		int month = read_int(at);
		*at += **at == '.';
		int week = read_int(at);
		*at += **at == '.';
		int weekday = read_int(at);
		int64_t first = days_of(year, month, 1);
		int64_t next = month == 12 ? days_of(year + 1, 1, 1) : days_of(year, month + 1, 1);
		day = first + (weekday - (first + 4) % 7 + 7) % 7 + 7 * (week - 1);
		while (day >= next) /* week 5 is the last */
			day -= 7;
	} else {
		bool leaps_not_counted = **at == 'J';
		*at += leaps_not_counted;
		int n = read_int(at);
		bool leap = days_of(year + 1, 1, 1) - days_of(year, 1, 1) == 366;
		day = days_of(year, 1, 1) + n - leaps_not_counted + (leaps_not_counted && leap && n >= 60);
	}
	long time = 2 * 3600;
	if (**at == '/') {
		(*at)++;
		time = read_clock(at);
	}
	*at += **at == ',';
	return day * DAY_S + time;
}

int tz_rule_offset_min(const char *rule, int64_t wall_ms)
{
	int64_t now = wall_ms / 1000;
	skip_name(&rule);
	long standard = -read_clock(&rule), summer = standard + 3600;
	if (*rule == '\0')
		return (int)(standard / 60);
	skip_name(&rule);
	if (*rule != ',' && *rule != '\0')
		summer = -read_clock(&rule);
	rule += *rule == ',';
	time_t local = (time_t)(now + standard);
	struct tm parts;
	gmtime_r(&local, &parts);
	int64_t begins = read_change(&rule, parts.tm_year + 1900) - standard;
	int64_t ends = read_change(&rule, parts.tm_year + 1900) - summer;
	bool is_summer = begins < ends ? now >= begins && now < ends : now >= begins || now < ends;
	return (int)((is_summer ? summer : standard) / 60);
}

/* ---- a number's zones ---- */

static int by_digits(const void *key, const void *row)
{
	return strcmp(key, ((const struct country_prefix *)row)->digits);
}

/* The zones' indexes, up to -1; NULL: nothing is known. */
static const short *zones_of(const char *number)
{
	char digits[16];
	size_t len = number[0] == '+' ? strspn(number + 1, "0123456789") : 0;
	len = len < sizeof digits ? len : sizeof digits - 1;
	memcpy(digits, number + 1, len);
	for (; len > 0; len--) {
		digits[len] = '\0';
		const struct country_prefix *row =
			bsearch(digits, country_prefixes, country_prefix_count, sizeof *row, by_digits);
		if (row != NULL)
			return &country_zone_sets[row->set];
	}
	return NULL;
}

static int minute_at(int64_t wall_ms, int offset_min)
{
	int64_t local = wall_ms / MINUTE_MS + offset_min;
	return (int)((local % DAY_MIN + DAY_MIN) % DAY_MIN);
}

bool country_time_of(const char *number, int64_t wall_ms, struct country_time *out)
{
	const short *zones = zones_of(number);
	if (zones == NULL)
		return false;
	*out = (struct country_time){.west_zone = NULL};
	for (; *zones >= 0; zones++) {
		const struct country_zone *zone = &country_zones[*zones];
		int offset = tz_rule_offset_min(zone->rule, wall_ms);
		if (out->west_zone == NULL || offset < out->west_offset_min) {
			out->west_zone = zone->name;
			out->west_offset_min = offset;
		}
		if (out->east_zone == NULL || offset > out->east_offset_min) {
			out->east_zone = zone->name;
			out->east_offset_min = offset;
		}
	}
	out->west_minute = minute_at(wall_ms, out->west_offset_min);
	out->east_minute = minute_at(wall_ms, out->east_offset_min);
	return true;
}

/* ---- quiet hours ---- */

bool minute_within(int minute, int from, int to)
{
	return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}

bool country_time_is_quiet(const char *number, int64_t wall_ms, int from, int to)
{
	const short *zones = zones_of(number);
	if (from == to)
		return false;
	if (zones == NULL)
		return true;
	for (; *zones >= 0; zones++)
		if (minute_within(minute_at(wall_ms, tz_rule_offset_min(country_zones[*zones].rule, wall_ms)),
				  from, to))
			return true;
	return false;
}

int64_t country_time_next_allowed(const char *number, int64_t wall_ms, int from, int to)
{
	int64_t minute = (wall_ms + MINUTE_MS - 1) / MINUTE_MS;
	if (!country_time_is_quiet(number, wall_ms, from, to))
		return wall_ms;
	for (int ahead = 0; zones_of(number) != NULL && ahead <= LOOK_AHEAD_MIN; ahead++)
		if (!country_time_is_quiet(number, (minute + ahead) * MINUTE_MS, from, to))
			return (minute + ahead) * MINUTE_MS;
	return 0;
}

/* ---- for a reader ---- */

static void write_clock(int64_t wall_ms, const char *zone, int offset_min, char *out, size_t size)
{
	static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
					   "Thursday", "Friday", "Saturday"};
	static const char *const months[] = {"January",   "February", "March",    "April",
					     "May",       "June",     "July",     "August",
					     "September", "October",  "November", "December"};
	time_t local = (time_t)(wall_ms / 1000 + offset_min * 60);
	struct tm t;
	gmtime_r(&local, &t);
	int ahead = abs(offset_min);
	text_printf(out, size, "%s, %d %s %d, %02d:%02d (%s, UTC%c%02d:%02d)", days[t.tm_wday], t.tm_mday,
		    months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, zone, offset_min < 0 ? '-' : '+',
		    ahead / 60, ahead % 60);
}

void country_time_text(const char *number, int64_t wall_ms, char out[COUNTRY_TIME_TEXT_SIZE])
{
	struct country_time time;
	char west[90], east[90];
	if (!country_time_of(number, wall_ms, &time)) {
		write_clock(wall_ms, "their time zone is not known", 0, out, COUNTRY_TIME_TEXT_SIZE);
		return;
	}
	write_clock(wall_ms, time.west_zone, time.west_offset_min, west, sizeof west);
	write_clock(wall_ms, time.east_zone, time.east_offset_min, east, sizeof east);
	if (time.west_offset_min == time.east_offset_min)
		text_printf(out, COUNTRY_TIME_TEXT_SIZE, "%s", west);
	else
		text_printf(out, COUNTRY_TIME_TEXT_SIZE, "between %s and %s", west, east);
}

void country_time_date(const char *number, int64_t wall_ms, char out[COUNTRY_TIME_TEXT_SIZE])
{
	struct country_time time;
	int offset_min = country_time_of(number, wall_ms, &time) ? time.west_offset_min : 0;
	time_t local = (time_t)(wall_ms / 1000 + offset_min * 60);
	struct tm t;
	gmtime_r(&local, &t);
	strftime(out, COUNTRY_TIME_TEXT_SIZE, "%Y-%m-%d", &t);
}

/* ---- premium rate ---- */

bool country_is_premium(const char *number)
{
	size_t low = 0, high = premium_prefix_count;
	const char *digits = number + (number[0] == '+');
	/* No prefix begins another one, so the last that is not behind the number is the only candidate. */
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(premium_prefixes[middle], digits) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && strncmp(premium_prefixes[low - 1], digits, strlen(premium_prefixes[low - 1])) == 0;
}
