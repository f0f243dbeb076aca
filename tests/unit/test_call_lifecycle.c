/* The states of a call in voiced: every pair of state and event. */
#include "tests/unit/unit.h"
#include "voiced/registry/call_lifecycle.h"

enum { ASKED, PLACING, DOUBTFUL, RINGING, TALKING, DROPPED, ENDING, OVER };
enum { NOTHING, LOOK, END, FAIL, CLOSE };

static void test_all_pairs(void **state)
{
	(void)state;
	static const struct {
		int next, action;
	} expected[LIFECYCLE_STATES][LIFECYCLE_EVENTS] = {
		/* SENT, DOUBTED, NAMED, NOT_PLACED, ANSWERED, HANG_UP, TOLD_OVER */
		[ASKED] = {{PLACING, NOTHING},
			   {ASKED, NOTHING},
			   {RINGING, NOTHING},
			   {OVER, FAIL},
			   {TALKING, NOTHING},
			   {DROPPED, NOTHING},
			   {OVER, CLOSE}},
		[PLACING] = {{PLACING, NOTHING},
			     {DOUBTFUL, LOOK},
			     {RINGING, NOTHING},
			     {OVER, FAIL},
			     {TALKING, NOTHING},
			     {DROPPED, NOTHING},
			     {OVER, CLOSE}},
		[DOUBTFUL] = {{DOUBTFUL, NOTHING},
			      {DOUBTFUL, LOOK},
			      {RINGING, NOTHING},
			      {OVER, FAIL},
			      {TALKING, NOTHING},
			      {DROPPED, NOTHING},
			      {OVER, CLOSE}},
		[RINGING] = {{RINGING, NOTHING},
			     {RINGING, NOTHING},
			     {RINGING, NOTHING},
			     {RINGING, NOTHING},
			     {TALKING, NOTHING},
			     {ENDING, END},
			     {OVER, CLOSE}},
		[TALKING] = {{TALKING, NOTHING},
			     {TALKING, NOTHING},
			     {TALKING, NOTHING},
			     {TALKING, NOTHING},
			     {TALKING, NOTHING},
			     {ENDING, END},
			     {OVER, CLOSE}},
		[DROPPED] = {{DROPPED, NOTHING},
			     {DROPPED, LOOK},
			     {ENDING, END},
			     {OVER, FAIL},
			     {DROPPED, NOTHING},
			     {DROPPED, NOTHING},
			     {OVER, CLOSE}},
		[ENDING] = {{ENDING, NOTHING},
			    {ENDING, NOTHING},
			    {ENDING, NOTHING},
			    {ENDING, NOTHING},
			    {ENDING, NOTHING},
			    {ENDING, END},
			    {OVER, CLOSE}},
		[OVER] = {{OVER, NOTHING},
			  {OVER, NOTHING},
			  {OVER, NOTHING},
			  {OVER, NOTHING},
			  {OVER, NOTHING},
			  {OVER, NOTHING},
			  {OVER, NOTHING}},
	};
	for (int s = 0; s < LIFECYCLE_STATES; s++)
		for (int e = 0; e < LIFECYCLE_EVENTS; e++) {
			struct lifecycle_step step = lifecycle_step(s, e);
			if ((int)step.next != expected[s][e].next ||
			    (int)step.action != expected[s][e].action)
				fail_msg("state %d, event %d: next %d, action %d", s, e, step.next,
					 step.action);
		}
}

/* What holds for the whole table, whatever its rows say. */
static void test_rules(void **state)
{
	(void)state;
	for (int s = 0; s < LIFECYCLE_STATES; s++) {
		bool has_sid = s == RINGING || s == TALKING || s == ENDING;
		assert_int_equal(lifecycle_step(s, LIFECYCLE_TOLD_OVER).next, LIFECYCLE_OVER);
		if (s != OVER)
			assert_true(lifecycle_is_ending(lifecycle_step(s, LIFECYCLE_HANG_UP).next));
		for (int e = 0; e < LIFECYCLE_EVENTS; e++) {
			struct lifecycle_step step = lifecycle_step(s, e);
			/* Only a call with a SID can be ended at Twilio. */
			if (step.action == LIFECYCLE_DO_END)
				assert_true(has_sid || e == LIFECYCLE_NAMED);
			/* A call that Twilio has never fails as not placed, and is never sent again. */
			if (has_sid)
				assert_int_not_equal(step.action, LIFECYCLE_DO_FAIL);
			if (s != ASKED)
				assert_int_not_equal(step.next, LIFECYCLE_ASKED);
			/* The wish to end it is not forgotten. */
			if (lifecycle_is_ending(s))
				assert_true(lifecycle_is_ending(step.next) || step.next == LIFECYCLE_OVER);
			/* What happens twice is as what happens once. */
			assert_int_equal(lifecycle_step(step.next, e).next, step.next);
		}
	}
}

static void test_restored(void **state)
{
	(void)state;
	assert_int_equal(lifecycle_restored(true, true, true, true), LIFECYCLE_OVER);
	assert_int_equal(lifecycle_restored(false, true, true, true), LIFECYCLE_ENDING);
	assert_int_equal(lifecycle_restored(false, true, false, false), LIFECYCLE_DROPPED);
	assert_int_equal(lifecycle_restored(false, false, false, false), LIFECYCLE_DOUBTFUL);
	assert_int_equal(lifecycle_restored(false, false, true, false), LIFECYCLE_RINGING);
	assert_int_equal(lifecycle_restored(false, false, true, true), LIFECYCLE_TALKING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_pairs), cmocka_unit_test(test_rules),
					   cmocka_unit_test(test_restored)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
