/* A recording whose disk hangs does not hold the call up. */
#include "callworker/audio/mulaw.h"
#include "callworker/audio/recorder.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER; /* locked: it hangs */
static off_t end_of_file;

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	(void)fd, (void)bytes;
	pthread_mutex_lock(&disk);
	if (at + (off_t)len > end_of_file)
		end_of_file = at + (off_t)len;
	pthread_mutex_unlock(&disk);
	return (ssize_t)len;
}

static void record(struct recorder *r, int ms)
{
	uint8_t frame[20 * MULAW_BYTES_PER_MS];
	memset(frame, 0x80, sizeof frame);
	for (int at = 0; at < ms; at += 20) {
		recorder_caller(r, frame, sizeof frame, at);
		recorder_agent(r, frame, sizeof frame);
	}
}

static void test_a_hung_disk(void **state)
{
	(void)state;
	struct timespec from, to;
	struct recorder *r = recorder_new(-1, 0);
	pthread_mutex_lock(&disk);
	record(r, 3000);
	clock_gettime(CLOCK_MONOTONIC, &from);
	recorder_end(r); /* while it hangs */
	recorder_agent(r, (const uint8_t *)"x", 1);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true(to.tv_sec - from.tv_sec < 5); /* it did not wait for the disk, which is ours to let go */
	assert_int_equal(end_of_file, 0);
	pthread_mutex_unlock(&disk);
	recorder_free(&r);
	assert_null(r);
	assert_int_equal(end_of_file, 44 + 3000 * MULAW_BYTES_PER_MS * 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_hung_disk)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
