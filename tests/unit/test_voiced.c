/* The door's decision, from the first bytes of a connection. */
#include "tests/unit/unit.h"
#include "voiced/frontend/connection_route.h"
#include "voiced/workers/worker_sockets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static enum route_kind kind(const char *bytes)
{
	struct route r;
	route_request(bytes, strlen(bytes), &r);
	return r.kind;
}

static void test_routes(void **state)
{
	(void)state;
	assert_int_equal(kind("GET / HTTP/1.1\r\n"), ROUTE_SELF);
	assert_int_equal(kind("POST /sms/incoming HTTP/1.1\r\n"), ROUTE_SMSD);
	assert_int_equal(kind("GET /api/sms/messages?x=1 HTTP/1.1\r\n"), ROUTE_SMSD);
	assert_int_equal(kind("GET /api/smsx HTTP/1.1\r\n"), ROUTE_SELF);
	assert_int_equal(kind("POST /mcp HTTP/1.1\r\n"), ROUTE_MCPD);
	assert_int_equal(kind("POST /mcp?x HTTP/1.1\r\n"), ROUTE_MCPD);
	assert_int_equal(kind("POST /mcpx HTTP/1.1\r\n"), ROUTE_SELF);
	assert_int_equal(kind("POST /api/calls HTTP/1.1\r\n"), ROUTE_SELF);
}

static void test_unclear(void **state)
{
	(void)state;
	assert_int_equal(kind("GET /api/calls/%2e%2e%2f%2e%2e%2fcall%2fx HTTP/1.1\r\n"), ROUTE_UNCLEAR);
	assert_int_equal(kind("GET /sms/../api/calls HTTP/1.1\r\n"), ROUTE_UNCLEAR);
	assert_int_equal(kind("GET //mcp HTTP/1.1\r\n"), ROUTE_UNCLEAR);
	assert_int_equal(kind("GET /call\\..\\api HTTP/1.1\r\n"), ROUTE_UNCLEAR);
	assert_int_equal(kind("GET /api/calls?next=/../ HTTP/1.1\r\n"), ROUTE_SELF);
	static const char *const twice[] = {
		"X-Twilio-Signature: a\r\nx-twilio-signature: b\r\nUpgrade: websocket",
		"Upgrade: websocket\r\nUpgrade: h2c"};
	for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
		char request[300];
		snprintf(request, sizeof request, "GET /call/connection-outgoing/abc HTTP/1.1\r\n%s\r\n\r\n",
			 twice[i]);
		assert_int_equal(kind(request), ROUTE_UNCLEAR);
	}
}

static void test_partial_and_bad(void **state)
{
	(void)state;
	assert_int_equal(kind(""), ROUTE_PARTIAL);
	assert_int_equal(kind("GET /sms/inco"), ROUTE_PARTIAL);
	assert_int_equal(kind("get / HTTP/1.1"), ROUTE_BAD);
	assert_int_equal(kind("\x16\x03\x01\x02\x00"), ROUTE_BAD);
	assert_int_equal(kind("GET\r\n"), ROUTE_BAD);
	assert_int_equal(kind("GET /\r\n"), ROUTE_BAD);
	assert_int_equal(kind(" / HTTP/1.1\r\n"), ROUTE_BAD);
	assert_int_equal(kind("GET / HTTP/2.0\r\n"), ROUTE_BAD);
	assert_int_equal(kind("AVERYLONGMETHODNAMEINDEED"), ROUTE_BAD);
}

static void test_stream(void **state)
{
	(void)state;
	const char *request =
		"GET /call/connection-outgoing/abc123 HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\n"
		"X-TWILIO-SIGNATURE:  sig=  \r\n\r\n";
	struct route r;
	for (size_t cut = 50; cut < strlen(request); cut++) {
		route_request(request, cut, &r);
		assert_int_equal(r.kind, ROUTE_PARTIAL);
	}
	route_request(request, strlen(request), &r);
	assert_int_equal(r.kind, ROUTE_STREAM);
	assert_string_equal(r.token, "abc123");
	assert_string_equal(r.target, "/call/connection-outgoing/abc123");
	assert_string_equal(r.signature, "sig=");
	assert_int_equal(kind("GET /call/connection-outgoing/abc HTTP/1.1\r\nHost: x\r\n\r\n"), ROUTE_SELF);
	char longer[400];
	snprintf(longer, sizeof longer,
		 "GET /call/connection-outgoing/%0300d HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", 1);
	assert_int_equal(kind(longer), ROUTE_BAD);
}

struct found {
	unsigned count;
	struct worker_name last;
};

static void on_worker(void *arg, const struct worker_name *name, int fd)
{
	struct found *f = arg;
	f->count++;
	f->last = *name;
	close(fd);
}

static unsigned find_workers(const struct worker_sockets *s, struct found *f)
{
	*f = (struct found){0};
	worker_sockets_each(s, on_worker, f);
	return f->count;
}

/* A voiced finds the workers that listen still, in a RUN_DIR too long for a socket's address. */
static void test_worker_sockets(void **state)
{
	(void)state;
	char base[] = "/tmp/phony-unit-XXXXXX", dir[300], junk[400];
	assert_non_null(mkdtemp(base));
	snprintf(dir, sizeof dir, "%s/%0150d", base, 1);
	assert_int_equal(mkdir(dir, 0700), 0);
	struct worker_sockets *s = worker_sockets_open(dir);
	struct found f;
	assert_non_null(s);
	assert_int_equal(find_workers(s, &f), 0);
	pid_t ended = fork();
	if (ended == 0)
		_exit(0);
	assert_int_equal(waitpid(ended, NULL, 0), ended);
	const struct worker_name a = {"aB3-_defGHIJ", 2, 1234}, b = {"bbbbbbbbbbbb", 0, ended};
	const struct worker_name busy = {"cccccccccccc", 0, getpid()};
	int first = worker_sockets_make(s, &a), second = worker_sockets_make(s, &b);
	assert_true(first >= 0 && second >= 0);
	snprintf(junk, sizeof junk, "%s/workers/no-worker", dir);
	close(open(junk, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(find_workers(s, &f), 2);
	close(second); /* it has ended, and nobody was told */
	assert_int_equal(find_workers(s, &f), 1);
	assert_string_equal(f.last.call_id, a.call_id);
	assert_int_equal(f.last.attempt, 2);
	assert_int_equal(f.last.pid, 1234);
	worker_sockets_close(&s);
	s = worker_sockets_open(dir); /* the next voiced */
	assert_int_equal(find_workers(s, &f), 1);
	worker_sockets_remove(s, &a);
	assert_int_equal(find_workers(s, &f), 0);
	/* One that lives and cannot be reached just now keeps its name. */
	close(worker_sockets_make(s, &busy));
	assert_int_equal(find_workers(s, &f), 0);
	snprintf(junk, sizeof junk, "%s/workers/cccccccccccc.0.%d", dir, (int)getpid());
	assert_int_equal(access(junk, F_OK), 0);
	worker_sockets_remove(s, &busy);
	snprintf(junk, sizeof junk, "%s/workers/no-worker", dir);
	worker_sockets_close(&s);
	close(first);
	unlink(junk);
	snprintf(junk, sizeof junk, "%s/workers", dir);
	assert_int_equal(rmdir(junk), 0); /* the name of the one that has ended is gone, too */
	assert_int_equal(rmdir(dir) | rmdir(base), 0);
}

static void test_worker_names(void **state)
{
	(void)state;
	struct worker_name n;
	static const char *const wrong[] = {"",       "a",      "a.1",    "a.1.",    "a.1.2.3",
					    "a.-1.2", "a.1.0",  "a.1.-2", "a/b.1.2", "../x.1.2",
					    "a.1.2 ", "a.01.2", ".1.2",   "a. 1.2",  "a.1.99999999999"};
	assert_true(worker_name_parse("abc.0.1", &n));
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (worker_name_parse(wrong[i], &n))
			fail_msg("%s is taken for a worker's name", wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),          cmocka_unit_test(test_unclear),
		cmocka_unit_test(test_worker_sockets),  cmocka_unit_test(test_worker_names),
		cmocka_unit_test(test_partial_and_bad), cmocka_unit_test(test_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
