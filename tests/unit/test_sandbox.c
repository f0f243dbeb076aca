/* The worker's cell, tried from within: each probe is a process of its own that goes in first. */
#include "callworker/process/sandbox.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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
/* Of any kind, and a pair of one's own, which could carry a message to an address. */
static int open_socket(void)
{
	static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG};
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
	int pair[2];
	for (size_t f = 0; f < sizeof families / sizeof *families; f++)
		for (size_t t = 0; t < sizeof types / sizeof *types; t++)
			if (socket(families[f], types[t] | SOCK_CLOEXEC, 0) >= 0)
				return POSSIBLE;
	return judge(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
}

/* What is made before, for what is tried within. */
static int tcp = -1, listener = -1, log_file = -1;
static struct sockaddr_in target = {.sin_family = AF_INET};

static void prepare_targets(void)
{
	socklen_t len = sizeof target;
	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&target, sizeof target), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&target, &len), 0);
	tcp = socket(AF_INET, SOCK_STREAM, 0);
}

static int connect_tcp(void)
{
	return judge(connect(tcp, (struct sockaddr *)&target, sizeof target) == 0);
}
static int listen_on(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET};
	return judge(bind(tcp, (struct sockaddr *)&any, sizeof any) == 0 || listen(tcp, 1) == 0);
}
static int connect_by_sending(void)
{
	char byte = 0;
	struct iovec bytes = {&byte, 1};
	struct msghdr m = {
		.msg_name = &target, .msg_namelen = sizeof target, .msg_iov = &bytes, .msg_iovlen = 1};
	return judge(sendto(tcp, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&target, sizeof target) > 0 ||
		     sendmsg(tcp, &m, MSG_FASTOPEN) > 0);
}
static int accept_one(void)
{
	/* EAGAIN: it may, and there is nobody. */
	return judge(accept4(listener, NULL, NULL, SOCK_CLOEXEC) >= 0 || errno == EAGAIN);
}
static int ask_for_signals(void)
{
	struct f_owner_ex owner = {F_OWNER_PID, getppid()};
	return judge(fcntl(listener, F_SETOWN, getppid()) == 0 || fcntl(listener, F_SETOWN_EX, &owner) == 0 ||
		     fcntl(listener, F_SETSIG, SIGUSR1) == 0 || fcntl(listener, F_SETFL, O_ASYNC) == 0 ||
		     fcntl(listener, F_NOTIFY, DN_ACCESS) == 0 || fcntl(listener, F_SETLEASE, F_RDLCK) == 0 ||
		     ioctl(listener, FIOASYNC, &(int){1}) == 0 || ioctl(listener, FIOSETOWN, &(int){1}) == 0);
}
static int change_the_log(void)
{
	/* Descriptor 2 is what is shared; a copy of it would be as good. */
	return judge(lseek(2, 0, SEEK_SET) >= 0 || ftruncate(2, 0) == 0 || pwrite(2, "x", 1, 0) == 1 ||
		     fcntl(2, F_DUPFD, 10) >= 0 || syscall(SYS_lseek, 0x100000002, 0, SEEK_SET) >= 0);
}
static int flags_of_the_log_stay(void)
{
	int before = fcntl(2, F_GETFL);
	fcntl(2, F_SETFL, O_NONBLOCK);
	return judge(fcntl(2, F_GETFL) != before);
}
static int reach_by_descriptor(void)
{
	return judge(syscall(SYS_pidfd_open, getppid(), 0) >= 0 || syscall(SYS_memfd_create, "x", 0) >= 0 ||
		     syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != EPERM);
}
static int set_options(void)
{
	int on = 1;
	return judge(setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 ||
		     setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) == 0);
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
	prepare_targets();
	assert_int_equal(confined(open_socket), FORBIDDEN);
	assert_int_equal(confined(connect_tcp), FORBIDDEN);
	assert_int_equal(confined(connect_by_sending), FORBIDDEN);
	assert_int_equal(confined(accept_one), POSSIBLE);
	assert_int_equal(confined(ask_for_signals), FORBIDDEN);
	assert_int_equal(confined(reach_by_descriptor), FORBIDDEN);
	assert_int_equal(confined(set_options), FORBIDDEN);
	int saved = dup(2);
	log_file = open("/tmp", O_RDWR | O_TMPFILE, 0600);
	assert_true(log_file >= 0 && dup2(log_file, 2) == 2);
	int changed = confined(change_the_log), flags = confined(flags_of_the_log_stay);
	dup2(saved, 2);
	close(saved);
	assert_int_equal(changed, FORBIDDEN);
	assert_int_equal(flags, FORBIDDEN);
	assert_int_equal(confined(start_a_thread), POSSIBLE);
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
