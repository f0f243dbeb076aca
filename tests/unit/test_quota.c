/* The row that counts placed calls: limits, duplicates of other hosts, giving back, an emergency shutdown, the end. */
#include "lib/base/json_build.h"
#include "lib/loop/loop.h"
#include "lib/store/store.h"
#include "tests/unit/unit.h"
#include "voiced/guard_rails/quota.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FOLDER "build/unit-quota"

enum { MINUTE_MS = 60000, HOUR_MIN = 60 };
static const int64_t now = INT64_C(1795000000000);
static const struct quota_limits limits = {2, 3, "here"};

static void test_limits(void **state)
{
	(void)state;
	json_t *row = json_object();
	assert_int_equal(quota_row_check(row, &limits, "a", now, now), QUOTA_GRANTED);
	quota_row_add(row, "here", "a", now - 70 * MINUTE_MS);
	assert_int_equal(quota_row_check(row, &limits, "a", now, now), QUOTA_GRANTED);
	quota_row_add(row, "here", "a", now - 59 * MINUTE_MS);
	assert_int_equal(quota_row_check(row, &limits, "a", now, now), QUOTA_GRANTED);
	quota_row_add(row, "here", "b", now);
	assert_int_equal(quota_row_check(row, &limits, "c", now, now), QUOTA_HOUR);
	/* Two minutes later one of the hour is over, but there are three of the day. */
	int64_t later = now + 2 * MINUTE_MS;
	assert_int_equal(quota_row_check(row, &limits, "c", later, later), QUOTA_DAY);
	/* Given back: the newest. */
	quota_row_take_back(row, "b", now);
	assert_int_equal(quota_row_check(row, &limits, "c", now, now), QUOTA_GRANTED);
	/* A day later nothing is left of it. */
	quota_row_prune(row, now + 25 * HOUR_MIN * (int64_t)MINUTE_MS);
	assert_int_equal(json_object_size(json_object_get(row, "minutes")), 0);
	assert_int_equal(json_array_size(json_object_get(row, "recent")), 0);
	/* Nothing to give back changes nothing. */
	quota_row_take_back(row, "b", now);
	assert_int_equal(json_object_size(json_object_get(row, "minutes")), 0);
	json_decref(row);
}

static void test_duplicates(void **state)
{
	(void)state;
	const struct quota_limits many = {100, 100, "here"};
	json_t *row = json_object();
	quota_row_add(row, "here", "a", now);
	quota_row_add(row, "there", "b", now);
	assert_int_equal(quota_row_check(row, &many, "a", now, now + 1000),
			 QUOTA_GRANTED); /* the register knows */
	assert_int_equal(quota_row_check(row, &many, "b", now, now + 1000), QUOTA_DUPLICATE);
	assert_int_equal(quota_row_check(row, &many, NULL, now, now + 1000), QUOTA_GRANTED);
	assert_int_equal(quota_row_check(row, &many, "b", now, now + QUOTA_DUPLICATE_S * 1000),
			 QUOTA_GRANTED);
	quota_row_take_back(row, "b", now);
	assert_int_equal(quota_row_check(row, &many, "b", now, now + 1000), QUOTA_GRANTED);
	json_decref(row);
}

static void test_stopped(void **state)
{
	(void)state;
	json_t *row = json_build("{s:I}", "stoppedMs", (json_int_t)now);
	assert_int_equal(quota_row_check(row, &limits, "a", now - 1, now + 5), QUOTA_STOPPED);
	assert_int_equal(quota_row_check(row, &limits, "a", now, now + 5), QUOTA_STOPPED);
	assert_int_equal(quota_row_check(row, &limits, "a", now + 1, now + 5), QUOTA_GRANTED);
	json_decref(row);
}

/* Set back by a day: it holds for its time from now on, and not for a day more. */
static void test_clock_set_back(void **state)
{
	(void)state;
	json_t *row = json_build("{s:I}", "stoppedMs", (json_int_t)now);
	const int64_t before = now - 24 * HOUR_MIN * (int64_t)MINUTE_MS, after = before + 62 * MINUTE_MS;
	quota_row_add(row, "here", "a", now);
	quota_row_add(row, "here", "b", now);
	assert_true(quota_row_prune(row, before));
	assert_false(quota_row_prune(row, before));
	assert_int_equal(quota_row_check(row, &limits, "c", before - MINUTE_MS, before), QUOTA_STOPPED);
	assert_int_equal(quota_row_check(row, &limits, "c", before, before), QUOTA_HOUR);
	assert_int_equal(quota_row_check(row, &limits, "c", after, after), QUOTA_GRANTED);
	json_decref(row);
	/* Another host's clock may be a little ahead. */
	row = json_build("{s:I}", "stoppedMs", (json_int_t)now + 20000);
	quota_row_add(row, "there", "a", now + 20000);
	assert_false(quota_row_prune(row, now));
	assert_int_equal(json_integer_value(json_object_get(row, "stoppedMs")), now + 20000);
	json_decref(row);
}

static void on_answer(void *arg, enum quota_answer answer)
{
	*(int *)arg = (int)answer;
}

/* voiced ends while it asks: that is no emergency shutdown, so a scheduled call is not canceled for it. */
static void test_closed(void **state)
{
	(void)state;
	char error[300] = "";
	char token[] = "t", host[] = "here";
	struct config config = {.max_calls_per_hour = 5, .max_calls_per_day = 5, .twilio_auth_token = token};
	assert_int_equal(system("rm -rf " FOLDER), 0);
	mkdir(FOLDER, 0700);
	struct voiced v = {.base = loop_new(false), .config = &config, .host_id = host};
	v.store = store_open(v.base, "", FOLDER, "test", error, sizeof error);
	assert_non_null(v.store);
	v.quota = quota_new(&v);
	int answers[] = {-1, -1, -1};
	quota_take(v.quota, "+12025550100", now, on_answer, &answers[0]);
	while (answers[0] < 0)
		event_base_loop(v.base, EVLOOP_ONCE);
	quota_take(v.quota, "+12025550101", now, on_answer, &answers[1]);
	quota_close(v.quota);
	quota_take(v.quota, "+12025550102", now, on_answer, &answers[2]);
	store_close(&v.store);
	assert_int_equal(answers[0], QUOTA_GRANTED);
	assert_int_equal(answers[1], QUOTA_CLOSED);
	assert_int_equal(answers[2], QUOTA_CLOSED);
	quota_free(&v.quota);
	event_base_free(v.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_limits), cmocka_unit_test(test_duplicates),
					   cmocka_unit_test(test_stopped),
					   cmocka_unit_test(test_clock_set_back),
					   cmocka_unit_test(test_closed)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
