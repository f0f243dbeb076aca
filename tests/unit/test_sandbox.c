/* The worker's cell, tried from within: each probe is a process of its own that goes in first. */
#include "callworker/sandbox.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORBIDDEN = 10, POSSIBLE = 20 };

/* POSSIBLE, FORBIDDEN (an error), or minus the signal that ended it. */
static int confined(int (*probe)(void))
{
	static const struct sandbox_limits limits = {.memory_mb = 128, .cpu_s = 60, .core_mb = 0};
	pid_t pid = fork();
	if (pid == 0) {
		sandbox_enter(&limits);
		_exit(probe());
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int judge(bool possible)
{
	return possible ? POSSIBLE : FORBIDDEN;
}

static int read_passwd(void)
{
	return judge(open("/etc/passwd", O_RDONLY) >= 0);
}
static int read_certificates(void)
{
	return judge(open("/etc/ssl/openssl.cnf", O_RDONLY) >= 0 || errno == ENOENT);
}
static int write_a_file(void)
{
	return judge(open("/tmp/a-worker-was-here", O_WRONLY | O_CREAT, 0600) >= 0);
}
static int more_descriptors(void)
{
	return judge(fcntl(0, F_DUPFD, 100) >= 0);
}
static int execute(void)
{
	execl("/bin/true", "true", NULL);
	return FORBIDDEN;
}
static int trace(void)
{
	return judge(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
}
static int fork_on(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return judge(pid > 0);
}
static void *nothing(void *arg)
{
	return arg;
}
static int start_a_thread(void)
{
	pthread_t thread;
	return judge(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
}
static int signal_parent(void)
{
	return judge(kill(getppid(), 0) == 0);
}
static int listen_on(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	return judge(bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
}
static int open_socket(void)
{
	return judge(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) >= 0);
}
static int open_datagrams(void)
{
	return judge(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
}
static int executable_memory(void)
{
	return judge(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		     MAP_FAILED);
}
static int much_memory(void)
{
	return judge(mmap(NULL, 512UL << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		     MAP_FAILED);
}
static int crash(void)
{
	abort();
}

#if defined(__SANITIZE_ADDRESS__)
enum { FILTERED = 0 };
#else
enum { FILTERED = 1 };
#endif

static void test_files(void **state)
{
	(void)state;
	assert_int_equal(confined(read_certificates), POSSIBLE);
	assert_int_equal(confined(read_passwd), FORBIDDEN);
	assert_int_equal(confined(write_a_file), FORBIDDEN);
	assert_int_equal(confined(more_descriptors), FORBIDDEN);
}

static void test_calls(void **state)
{
	(void)state;
	if (!FILTERED)
		skip();
	assert_int_equal(confined(open_socket), POSSIBLE);
	assert_int_equal(confined(start_a_thread), POSSIBLE);
	assert_int_equal(confined(open_datagrams), FORBIDDEN);
	assert_int_equal(confined(listen_on), FORBIDDEN);
	assert_int_equal(confined(signal_parent), FORBIDDEN);
	assert_int_equal(confined(fork_on), FORBIDDEN);
	assert_int_equal(confined(executable_memory), FORBIDDEN);
	assert_int_equal(confined(execute), -SIGSYS);
	assert_int_equal(confined(trace), -SIGSYS);
}

static void test_limits(void **state)
{
	(void)state;
	if (!FILTERED)
		skip();
	assert_int_equal(confined(much_memory), FORBIDDEN);
}

static void test_it_may_still_die(void **state)
{
	(void)state;
	assert_int_equal(confined(crash), -SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_it_may_still_die),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
