/* The restart policy as a table. */
#include "supervisor/restart_policy.h"
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
	/* Two seconds of health forgive everything: a daemon that works is not throttled for a crash. Less
	 * does not. */
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

/* Once it has been up nothing is hopeless any more; one that hangs is killed, and its exit brings the next.
 */
static void test_hopeless_after_it_was_up(void **state)
{
	(void)state;
	struct policy p = {0};
	policy_step(&p, POLICY_TIME, 0);
	policy_step(&p, POLICY_HELLO, 10);
	struct policy_step s = policy_step(&p, POLICY_HOPELESS, 3000);
	assert_int_equal(p.state, POLICY_DOWN);
	assert_int_equal(s.deadline_ms, 3100);
	assert_int_equal(policy_step(&p, POLICY_TIME, 3100).action, POLICY_START);
	s = policy_step(&p, POLICY_HOPELESS, 3110);
	assert_int_equal(p.state, POLICY_DOWN);
	assert_int_equal(s.deadline_ms, 3110 + 200);
	struct policy q = {.was_up = true}; /* in the instance before this one */
	policy_step(&q, POLICY_TIME, 0);
	policy_step(&q, POLICY_HOPELESS, 1);
	assert_int_equal(q.state, POLICY_DOWN);
}

/* Every state and event, as the table in restart_policy.c has them. */
static void test_every_pair(void **state)
{
	(void)state;
	static const struct {
		enum policy_state then;
		enum policy_action action;
	} expected[POLICY_STATES][POLICY_EVENTS] = {
		/* TIME, HELLO, EXIT, HOPELESS, STOP, SILENT */
		{{POLICY_STARTING, POLICY_START},
		 {POLICY_DOWN, POLICY_NOTHING},
		 {POLICY_DOWN, POLICY_NOTHING},
		 {POLICY_DOWN, POLICY_NOTHING},
		 {POLICY_ENDED, POLICY_NOTHING},
		 {POLICY_DOWN, POLICY_NOTHING}},
		{{POLICY_STARTING, POLICY_KILL},
		 {POLICY_UP, POLICY_NOTHING},
		 {POLICY_DOWN, POLICY_NOTHING},
		 {POLICY_ENDED, POLICY_NOTHING},
		 {POLICY_STOPPING, POLICY_NOTHING},
		 {POLICY_STARTING, POLICY_NOTHING}},
		{{POLICY_UP, POLICY_NOTHING},
		 {POLICY_UP, POLICY_NOTHING},
		 {POLICY_DOWN, POLICY_NOTHING},
		 {POLICY_ENDED, POLICY_NOTHING},
		 {POLICY_STOPPING, POLICY_NOTHING},
		 {POLICY_UP, POLICY_KILL}},
		{{POLICY_STOPPING, POLICY_NOTHING},
		 {POLICY_STOPPING, POLICY_NOTHING},
		 {POLICY_ENDED, POLICY_NOTHING},
		 {POLICY_ENDED, POLICY_NOTHING},
		 {POLICY_STOPPING, POLICY_NOTHING},
		 {POLICY_STOPPING, POLICY_KILL}},
		{{POLICY_ENDED, POLICY_NOTHING},
		 {POLICY_ENDED, POLICY_NOTHING},
		 {POLICY_ENDED, POLICY_NOTHING},
		 {POLICY_ENDED, POLICY_NOTHING},
		 {POLICY_ENDED, POLICY_NOTHING},
		 {POLICY_ENDED, POLICY_NOTHING}},
	};
	for (int from = 0; from < POLICY_STATES; from++)
		for (int event = 0; event < POLICY_EVENTS; event++) {
			struct policy p = {.state = (enum policy_state)from};
			struct policy_step s = policy_step(&p, (enum policy_event)event, 1000);
			if (p.state != expected[from][event].then || s.action != expected[from][event].action)
				fail_msg("state %d, event %d: state %d, action %d", from, event, (int)p.state,
					 (int)s.action);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_growing_delay),
		cmocka_unit_test(test_hopeless_and_late),
		cmocka_unit_test(test_hopeless_after_it_was_up),
		cmocka_unit_test(test_every_pair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
