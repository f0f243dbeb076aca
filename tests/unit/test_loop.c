/* The thread that takes jobs. */
#include "lib/base/panic.h"
#include "lib/loop/worker_thread.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

static struct worker_thread *thread;
static int worked, done, refused;

static void begin(void *context)
{
	(void)context;
}

static bool end(void *context)
{
	(void)context;
	return true;
}

static void work(struct worker_job *job, void *context)
{
	(void)job;
	(void)context;
	worked++;
}

static void post(void);

/* The first ten post another each. */
static void on_done(struct worker_job *job, bool ok)
{
	free(job);
	refused += !ok;
	if (++done <= 10)
		post();
}

static void post(void)
{
	struct worker_job *job = xcalloc(1, sizeof *job);
	job->work = work;
	job->done = on_done;
	worker_thread_post(thread, job);
}

/* Nothing that was posted is lost, not even by the last answers. */
static void test_finishing(void **state)
{
	(void)state;
	struct event_base *base = event_base_new();
	struct worker_batch batch = {begin, end, NULL};
	thread = worker_thread_new(base, &batch);
	for (int i = 0; i < 5; i++)
		post();
	worker_thread_finish(thread);
	assert_int_equal(done, 15);
	post();
	assert_int_equal(worker_thread_pending(thread), 1);
	worker_thread_free(&thread);
	assert_int_equal(done, 16);
	assert_int_equal(worked, 16);
	assert_int_equal(refused, 0);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_finishing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
