/* What time it is where a phone rings, and quiet hours. */
#include "lib/base/clock.h"
#include "lib/base/setting.h"
#include "tests/unit/unit.h"
#include "voiced/zones.h"

static void at(const char *number, const char *utc, int west, int east)
{
	struct wall_ms when;
	int earliest = -1, latest = -1;
	assert_true(wall_parse(utc, &when));
	assert_true(zones_local_minutes(number, when.ms, &earliest, &latest));
	assert_int_equal(earliest, west);
	assert_int_equal(latest, east);
}

static void test_zones(void **state)
{
	(void)state;
	int a, b;
	at("+4930123456", "2026-01-15T12:00:00Z", 13 * 60, 13 * 60);
	at("+4930123456", "2026-07-15T12:00:00Z", 14 * 60, 14 * 60);
	/* The changes: the last Sundays of March and October, 01:00 UTC. */
	at("+442071234567", "2026-03-29T00:59:00Z", 59, 59);
	at("+442071234567", "2026-03-29T01:00:00Z", 120, 120);
	at("+442071234567", "2026-10-25T00:59:00Z", 119, 119);
	at("+442071234567", "2026-10-25T01:00:00Z", 60, 60);
	at("+12025550198", "2026-11-25T20:00:00Z", 12 * 60, 16 * 60 + 30);
	at("+18085550198", "2026-07-01T20:00:00Z", 10 * 60, 10 * 60);
	at("+919812345678", "2026-07-01T20:00:00Z", 90, 90);
	at("+81312345678", "2026-07-01T20:00:00Z", 5 * 60, 5 * 60);
	assert_false(zones_local_minutes("+999123", 0, &a, &b));
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
	assert_true(zones_within(1400, 1320, 450));
	assert_true(zones_within(10, 1320, 450));
	assert_false(zones_within(450, 1320, 450));
	assert_true(zones_within(60, 60, 120));
	assert_false(zones_within(120, 60, 120));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_zones), cmocka_unit_test(test_hours)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
