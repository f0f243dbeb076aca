#include "voiced/zones.h"

#include <stdlib.h>
#include <string.h>

/*
 * Country codes (ITU-T E.164, list of assigned codes) with the offsets of their
 * westernmost and easternmost inhabited zones from UTC, in quarters of an hour,
 * and the rule of their summer time. Overseas territories have codes of their own.
 */
enum summer { NONE, EUROPE, AMERICA, CHILE, AUSTRALIA, NEW_ZEALAND };

static const struct zone {
	const char *code;
	int west, east;
	enum summer summer;
} zones[] = {
	{"1808", -40, -40, NONE}, {"1907", -36, -36, AMERICA}, {"1787", -16, -16, NONE},
	{"1939", -16, -16, NONE}, {"1", -32, -14, AMERICA},    {"20", 8, 8, EUROPE},
	{"27", 8, 8, NONE},       {"30", 8, 8, EUROPE},        {"31", 4, 4, EUROPE},
	{"32", 4, 4, EUROPE},     {"33", 4, 4, EUROPE},        {"34", 0, 4, EUROPE},
	{"351", -4, 0, EUROPE},   {"352", 4, 4, EUROPE},       {"353", 0, 0, EUROPE},
	{"354", 0, 0, NONE},      {"358", 8, 8, EUROPE},       {"36", 4, 4, EUROPE},
	{"370", 8, 8, EUROPE},    {"371", 8, 8, EUROPE},       {"372", 8, 8, EUROPE},
	{"380", 8, 8, EUROPE},    {"385", 4, 4, EUROPE},       {"386", 4, 4, EUROPE},
	{"39", 4, 4, EUROPE},     {"40", 8, 8, EUROPE},        {"41", 4, 4, EUROPE},
	{"420", 4, 4, EUROPE},    {"421", 4, 4, EUROPE},       {"423", 4, 4, EUROPE},
	{"43", 4, 4, EUROPE},     {"44", 0, 0, EUROPE},        {"45", 4, 4, EUROPE},
	{"46", 4, 4, EUROPE},     {"47", 4, 4, EUROPE},        {"48", 4, 4, EUROPE},
	{"49", 4, 4, EUROPE},     {"51", -20, -20, NONE},      {"52", -32, -20, NONE},
	{"54", -12, -12, NONE},   {"55", -20, -12, NONE},      {"56", -16, -16, CHILE},
	{"57", -20, -20, NONE},   {"60", 32, 32, NONE},        {"61", 32, 40, AUSTRALIA},
	{"62", 28, 36, NONE},     {"63", 32, 32, NONE},        {"64", 48, 48, NEW_ZEALAND},
	{"65", 32, 32, NONE},     {"66", 28, 28, NONE},        {"7", 8, 48, NONE},
	{"81", 36, 36, NONE},     {"82", 36, 36, NONE},        {"84", 28, 28, NONE},
	{"852", 32, 32, NONE},    {"86", 32, 32, NONE},        {"886", 32, 32, NONE},
	{"90", 12, 12, NONE},     {"91", 22, 22, NONE},        {"92", 20, 20, NONE},
	{"966", 12, 12, NONE},    {"971", 16, 16, NONE},       {"972", 8, 8, EUROPE},
};

enum { DAY_MS = 86400000, HOUR_MS = 3600000 };

/* Days since 1970 of a civil date, and the date of a day (proleptic Gregorian calendar). */
static int64_t days_of(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int year_of(int64_t ms)
{
	int year = (int)(1970 + ms / DAY_MS / 366);
	while (days_of(year + 1, 1, 1) * DAY_MS <= ms)
		year++;
	return year;
}

/* The n-th (1 …), or last (0), Sunday of a month, in days since 1970. */
static int64_t sunday(int year, int month, int n)
{
	int64_t first =
		n ? days_of(year, month, 1) : days_of(month == 12 ? year + 1 : year, month % 12 + 1, 1) - 7;
	return first + (3 - first % 7 + 7) % 7 + (n > 1 ? 7 * (n - 1) : 0);
}

/* Whether it is summer time at this moment; offsets within the day are of no weight here. */
static bool is_summer(enum summer rule, int64_t ms)
{
	int year = year_of(ms);
	int64_t day = ms / DAY_MS;
	switch (rule) {
	case EUROPE: /* 01:00 UTC of the last Sundays of March and October */
		return ms >= sunday(year, 3, 0) * DAY_MS + HOUR_MS &&
		       ms < sunday(year, 10, 0) * DAY_MS + HOUR_MS;
	case AMERICA: /* the second Sunday of March, the first of November */
		return day >= sunday(year, 3, 2) && day < sunday(year, 11, 1);
	case CHILE:       /* the first Sundays of September and April */
	case NEW_ZEALAND: /* the last Sunday of September, the first of April */
	case AUSTRALIA:   /* the first Sundays of October and April */
		return day >= sunday(year, rule == AUSTRALIA ? 10 : 9, rule == NEW_ZEALAND ? 0 : 1) ||
		       day < sunday(year, 4, 1);
	default:
		return false;
	}
}

static int minutes_at(int64_t wall_ms, int quarters)
{
	int64_t local = wall_ms / 60000 + quarters * 15;
	return (int)((local % 1440 + 1440) % 1440);
}

bool zones_local_minutes(const char *number, int64_t wall_ms, int *earliest, int *latest)
{
	const struct zone *best = NULL;
	for (size_t i = 0; number[0] == '+' && i < sizeof zones / sizeof *zones; i++)
		if (strncmp(number + 1, zones[i].code, strlen(zones[i].code)) == 0 &&
		    (best == NULL || strlen(zones[i].code) > strlen(best->code)))
			best = &zones[i];
	if (best == NULL)
		return false;
	int summer = is_summer(best->summer, wall_ms) ? 4 : 0;
	/* Parts of Australia have no summer time. */
	*earliest = minutes_at(wall_ms, best->west + (best->summer == AUSTRALIA ? 0 : summer));
	*latest = minutes_at(wall_ms, best->east + summer);
	return true;
}

bool zones_within(int minute, int from, int to)
{
	return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}
