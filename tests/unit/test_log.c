/* The log never waits for its reader, and keeps count of what it leaves out. */
#include "lib/base/log.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int saved = -1;
static char text[1 << 20];

/* Standard error goes to fd, which is a blocking one, as a shell or a service manager gives it. */
static void log_to(int fd, bool json)
{
	saved = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
	log_open("test", LOG_SEV_INFO, json);
	alarm(20); /* a write that blocks ends the test */
}

static void log_back(void)
{
	alarm(0);
	dup2(saved, STDERR_FILENO);
	close(saved);
	log_open("test", LOG_SEV_INFO, false);
}

/* What has been written so far. */
static const char *drained(int from)
{
	size_t len = 0;
	ssize_t n;
	fcntl(from, F_SETFL, O_NONBLOCK);
	while ((n = read(from, text + len, sizeof text - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

static unsigned lines_with(const char *all, const char *words)
{
	unsigned count = 0;
	for (const char *at = all; (at = strstr(at, words)) != NULL; at++)
		count++;
	return count;
}

static void stalled(int reader, int writer)
{
	enum { LINES = 20000 };
	unsigned told = 0;
	log_to(writer, false);
	for (int i = 0; i < LINES; i++)
		log_info("a line that nobody reads, number %d", i);
	const char *first = drained(reader);
	unsigned written = lines_with(first, "nobody reads");
	assert_true(written > 100 && written < LINES);
	assert_int_equal(first[strlen(first) - 1], '\n'); /* whole lines only */
	log_info("somebody reads again");
	const char *rest = drained(reader);
	const char *count = strstr(rest, " lines could not be written");
	assert_non_null(count);
	while (count > rest && count[-1] >= '0' && count[-1] <= '9')
		count--;
	told = (unsigned)atoi(count);
	assert_int_equal(written + told, LINES);
	assert_non_null(strstr(count, "somebody reads again"));
	log_back();
	close(reader);
}

static void test_stalled_pipe(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	int before = dup(ends[1]);
	stalled(ends[0], ends[1]);
	assert_int_equal(fcntl(before, F_GETFL) & O_NONBLOCK, 0); /* others' writes are as they were */
	close(before);
}

static void test_stalled_socket(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	stalled(ends[0], ends[1]);
}

static void test_full_disk(void **state)
{
	(void)state;
	int full = open("/dev/full", O_WRONLY);
	if (full < 0)
		skip();
	log_to(full, false);
	log_info("this cannot be written");
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log_info("this can");
	const char *all = drained(ends[0]);
	assert_non_null(strstr(all, "1 lines could not be written"));
	assert_non_null(strstr(all, "this can\n"));
	log_back();
	close(ends[0]);
}

/* At most PIPE_BUF bytes a line, so that lines of several processes do not mix. */
static void test_long_lines(void **state)
{
	(void)state;
	static char long_text[3 * PIPE_BUF];
	for (int json = 0; json < 2; json++) {
		int ends[2];
		assert_int_equal(pipe(ends), 0);
		log_to(ends[1], json);
		for (int kind = 0; kind < 2; kind++) {
			memset(long_text, kind ? '"' : 'x', sizeof long_text - 1);
			log_info("%s", long_text);
			const char *line = drained(ends[0]);
			assert_in_range(strlen(line), PIPE_BUF / 4, PIPE_BUF);
			assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
		}
		log_back();
		close(ends[0]);
	}
}

static void test_outsiders_are_limited(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	log_to(ends[1], false);
	struct log_limit limit = {.most = 3};
	for (int i = 0; i < 1000; i++)
		log_limited(&limit, LOG_SEV_WARN, "knock");
	assert_int_equal(lines_with(drained(ends[0]), "knock"), 3);
	limit.until_s = 0; /* a minute later */
	log_limited(&limit, LOG_SEV_WARN, "knock");
	assert_non_null(strstr(drained(ends[0]), "knock (997 more such lines were left out)\n"));
	for (int i = 0; i < 1000; i++)
		LOG_OUTSIDE(LOG_SEV_INFO, "ring");
	assert_int_equal(lines_with(drained(ends[0]), "ring"), LOG_LIMIT_LINES);
	log_back();
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stalled_pipe),
		cmocka_unit_test(test_stalled_socket),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_outsiders_are_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
