/* The restart policy as a table. */
#include "supervisor/policy.h"
#include "tests/unit/unit.h"

static void test_life(void **state)
{
	(void)state;
	struct policy p = {0};
	struct policy_step s = policy_step(&p, POLICY_TIME, 0);
	assert_int_equal(s.action, POLICY_START);
	assert_int_equal(s.deadline_ms, POLICY_READY_MS);
	s = policy_step(&p, POLICY_HELLO, 50);
	assert_int_equal(p.state, POLICY_UP);
	assert_int_equal(s.deadline_ms, -1);
	policy_step(&p, POLICY_STOP, 100);
	assert_int_equal(p.state, POLICY_STOPPING);
	policy_step(&p, POLICY_EXIT, 110);
	assert_int_equal(p.state, POLICY_ENDED);
	s = policy_step(&p, POLICY_TIME, 120);
	assert_int_equal(s.action, POLICY_NOTHING);
}

static void test_growing_delay(void **state)
{
	(void)state;
	struct policy p = {0};
	int64_t now = 0, expected = 100;
	for (int i = 0; i < 12; i++) {
		assert_int_equal(policy_step(&p, POLICY_TIME, now).action, POLICY_START);
		struct policy_step s = policy_step(&p, POLICY_EXIT, now);
		assert_int_equal(s.deadline_ms - now, expected);
		now = s.deadline_ms;
		expected = expected * 2 > 30000 ? 30000 : expected * 2;
	}
	/* Two seconds of health forgive everything: a daemon that works is not throttled for a crash. Less does not. */
	policy_step(&p, POLICY_TIME, now);
	policy_step(&p, POLICY_HELLO, now);
	struct policy_step s = policy_step(&p, POLICY_EXIT, now + 1999);
	assert_int_equal(s.deadline_ms - now - 1999, 30000);
	policy_step(&p, POLICY_TIME, now);
	policy_step(&p, POLICY_HELLO, now);
	s = policy_step(&p, POLICY_EXIT, now + 2000);
	assert_int_equal(s.deadline_ms - now - 2000, 100);
}

static void test_hopeless_and_late(void **state)
{
	(void)state;
	struct policy p = {0};
	policy_step(&p, POLICY_TIME, 0);
	assert_int_equal(policy_step(&p, POLICY_TIME, 30000).action, POLICY_KILL);
	policy_step(&p, POLICY_HOPELESS, 30001);
	assert_int_equal(p.state, POLICY_ENDED);
	struct policy q = {0};
	policy_step(&q, POLICY_STOP, 0); /* waiting to start: nothing to wait for */
	assert_int_equal(q.state, POLICY_ENDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_growing_delay),
		cmocka_unit_test(test_hopeless_and_late),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
