/* What time it is where a phone rings, quiet hours, premium rate. */
#include "lib/base/clock.h"
#include "lib/config/setting.h"
#include "tests/unit/unit.h"
#include "voiced/guard_rails/country_time.h"
#include "voiced/guard_rails/country_time_data.h"

#include <stdlib.h>
#include <time.h>

static int64_t ms_of(const char *utc)
{
	struct wall_ms when;
	assert_true(wall_parse(utc, &when));
	return when.ms;
}

static void at(const char *number, const char *utc, int west, int east)
{
	struct country_time time;
	assert_true(country_time_of(number, ms_of(utc), &time));
	assert_int_equal(time.west_minute, west);
	assert_int_equal(time.east_minute, east);
}

static void test_numbers(void **state)
{
	(void)state;
	struct country_time time;
	at("+4930123456", "2026-01-15T12:00:00Z", 13 * 60, 13 * 60);
	at("+4930123456", "2026-07-15T12:00:00Z", 14 * 60, 14 * 60);
	/* The changes: the last Sundays of March and October, 01:00 UTC. */
	at("+442071234567", "2026-03-29T00:59:00Z", 59, 59);
	at("+442071234567", "2026-03-29T01:00:00Z", 120, 120);
	at("+442071234567", "2026-10-25T00:59:00Z", 119, 119);
	at("+442071234567", "2026-10-25T01:00:00Z", 60, 60);
	at("+12025550198", "2026-11-25T20:00:00Z", 15 * 60, 15 * 60);
	at("+18085550198", "2026-07-01T20:00:00Z", 10 * 60, 10 * 60);
	at("+919812345678", "2026-07-01T20:00:00Z", 90, 90);
	at("+81312345678", "2026-07-01T20:00:00Z", 5 * 60, 5 * 60);
	at("+61412345678", "2026-07-01T12:00:00Z", 18 * 60 + 30,
	   22 * 60 + 30);                                             /* a mobile: Cocos to Lord Howe */
	at("+18005550100", "2026-11-25T20:00:00Z", 12 * 60, 15 * 60); /* freephone */
	/* Countries that are easily forgotten. */
	static const char *const known[] = {"+359888123456",  "+35799123456",   "+35679123456",
					    "+381641234567",  "+2348012345678", "+254712345678",
					    "+9779812345678", "+50688123456"};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		assert_true(country_time_of(known[i], 0, &time));
	static const char *const unknown[] = {"+999123", "+870773123456", "", "+", "x", "12025550198"};
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		assert_false(country_time_of(unknown[i], 0, &time));
}

/* Every rule against the C library's own reading of it, around each quarter of an hour of two years' changes.
 */
static void test_rules(void **state)
{
	(void)state;
	const char *last = "";
	for (size_t i = 0; i < country_prefix_count; i++)
		for (const short *z = &country_zone_sets[country_prefixes[i].set]; *z >= 0; z++) {
			const char *rule = country_zones[*z].rule;
			if (strcmp(rule, last) == 0)
				continue;
			last = rule;
			setenv("TZ", rule, 1);
			tzset();
			for (time_t t = 1767225600; t < 1767225600 + 2 * 366 * 86400; t += 7 * 3600 + 900) {
				struct tm local;
				localtime_r(&t, &local);
				assert_int_equal(tz_rule_offset_min(rule, (int64_t)t * 1000),
						 local.tm_gmtoff / 60);
			}
		}
}

static bool quiet(const char *number, const char *utc)
{
	return country_time_is_quiet(number, ms_of(utc), 22 * 60, 7 * 60);
}

static void test_quiet(void **state)
{
	(void)state;
	/* The zones in between count, not the ends alone: 12:00 in Los Angeles and 15:00 in New York. */
	assert_false(quiet("+12025550198", "2026-11-25T20:00:00Z"));
	assert_true(quiet("+12025550198", "2026-11-26T03:00:00Z"));
	assert_true(country_time_is_quiet("+79161234567", ms_of("2026-11-25T09:00:00Z"), 15 * 60, 16 * 60));
	assert_true(quiet("+999123", "2026-11-25T12:00:00Z"));
	assert_false(country_time_is_quiet("+999123", 0, 60, 60));
	/* 22:30 in Berlin: from 07:00 on. */
	int64_t next =
		country_time_next_allowed("+4930123456", ms_of("2026-11-25T21:30:10Z"), 22 * 60, 7 * 60);
	assert_int_equal(next, ms_of("2026-11-26T06:00:00Z"));
	assert_int_equal(country_time_next_allowed("+4930123456", 1234567, 0, 0), 1234567);
	assert_int_equal(country_time_next_allowed("+999123", 0, 0, 60), 0);
}

static void test_text(void **state)
{
	(void)state;
	char text[COUNTRY_TIME_TEXT_SIZE];
	country_time_text("+12025550198", ms_of("2026-11-28T02:05:00Z"), text);
	assert_string_equal(text, "Friday, 27 November 2026, 21:05 (America/New_York, UTC-05:00)");
	country_time_text("+18005550100", ms_of("2026-11-28T02:05:00Z"), text);
	assert_string_equal(text,
			    "between Friday, 27 November 2026, 18:05 (America/Los_Angeles, UTC-08:00) and "
			    "Friday, 27 November 2026, 21:05 (America/New_York, UTC-05:00)");
	country_time_text("+999123", ms_of("2026-11-28T02:05:00Z"), text);
	assert_string_equal(text,
			    "Saturday, 28 November 2026, 02:05 (their time zone is not known, UTC+00:00)");
	country_time_date("+12025550198", ms_of("2026-11-28T02:05:00Z"), text);
	assert_string_equal(text, "2026-11-27");
	country_time_date("+999123", ms_of("2026-11-28T02:05:00Z"), text);
	assert_string_equal(text, "2026-11-28");
	/* The longest names fit. */
	country_time_text("+12", 0, text);
	assert_non_null(strrchr(text, ')'));
}

static void test_premium(void **state)
{
	(void)state;
	static const char *const yes[] = {"+19005550100", "+4490912345678", "+33899123456", "+499001123456"};
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		assert_true(country_is_premium(yes[i]));
	static const char *const no[] = {"+12025550198", "+4930123456", "+448451234567",
					 "+33123456789", "+",           "",
					 "+81312345678", "+9"};
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		assert_false(country_is_premium(no[i]));
	for (size_t i = 0; i < premium_prefix_count; i++)
		assert_true(country_is_premium(premium_prefixes[i]));
}

static void test_hours(void **state)
{
	(void)state;
	int from, to;
	assert_true(setting_read_hours("22:00-07:30", &from, &to));
	assert_int_equal(from, 1320);
	assert_int_equal(to, 450);
	assert_true(setting_read_hours("off", &from, &to));
	assert_int_equal(from, to);
	assert_true(setting_read_hours("9:00-17:05", &from, &to));
	assert_int_equal(from, 540);
	assert_int_equal(to, 1025);
	assert_false(setting_read_hours("22-7", &from, &to));
	assert_false(setting_read_hours("25:00-07:00", &from, &to));
	assert_false(setting_read_hours("22:00-07:00x", &from, &to));
	assert_false(setting_read_hours("22:00- 7:00", &from, &to));
	assert_false(setting_read_hours("22:00-07:60", &from, &to));
	assert_false(setting_read_hours("", &from, &to));
	assert_true(minute_within(1400, 1320, 450));
	assert_true(minute_within(10, 1320, 450));
	assert_false(minute_within(450, 1320, 450));
	assert_true(minute_within(60, 60, 120));
	assert_false(minute_within(120, 60, 120));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_rules),
					   cmocka_unit_test(test_quiet),   cmocka_unit_test(test_text),
					   cmocka_unit_test(test_premium), cmocka_unit_test(test_hours)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
