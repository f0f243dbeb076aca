/*
 * A call's worker that was taken over, for tests/fault/hostile.test.mjs: it is put in
 * callworker's place, lets itself be confined as voiced asks, and then tries to reach
 * everything that is not its own call. A line on standard error for each try:
 *
 *	hostile: NAME reached | refused (ERROR)
 *
 * What there is to reach stands in the file "targets" beside it, JSON:
 * {"sockets": [path], "files": [path], "ports": [number], "abstract": name, "victim": pid}.
 * With the argument --free it is not confined and tries the same: what can be tried at all.
 */
#include "callworker/process/sandbox.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/json_build.h"
#include "proto/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static json_t *targets;
static int stream = -1, provider = -1;
static char attack;

static void tell(const char *name, bool reached)
{
	int saved = errno;
	dprintf(STDERR_FILENO, reached ? "hostile: %s reached\n" : "hostile: %s refused (%s)\n", name,
		strerror(saved));
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void try_paths(void)
{
	json_t *path;
	size_t i;
	char name[300];
	json_array_foreach (json_object_get(targets, "sockets"), i, path) {
		snprintf(name, sizeof name, "connect %s", json_string_value(path));
		tell(name, fd_unix_connect(json_string_value(path)) >= 0);
	}
	json_array_foreach (json_object_get(targets, "files"), i, path) {
		snprintf(name, sizeof name, "open %s", json_string_value(path));
		tell(name, open(json_string_value(path), O_RDONLY) >= 0);
		snprintf(name, sizeof name, "unlink %s.none", json_string_value(path));
		char none[300];
		snprintf(none, sizeof none, "%s.none", json_string_value(path));
		tell(name, unlink(none) == 0 || errno == ENOENT);
	}
}

static void try_network(void)
{
	json_t *port;
	size_t i;
	struct sockaddr_in a;
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	json_array_foreach (json_object_get(targets, "ports"), i, port) {
		a = loopback((int)json_integer_value(port));
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		tell("connect TCP", connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		tell("send TCP fast open",
		     sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof a) > 0);
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		tell("send UDP", sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a) > 0);
		/* The provider's connection, turned to another. */
		int given = provider >= 0 ? provider : socket(AF_INET, SOCK_STREAM, 0);
		tell("disconnect the provider", connect(given, &none, sizeof none) == 0);
		tell("connect the provider's socket elsewhere",
		     connect(given, (struct sockaddr *)&a, sizeof a) == 0);
	}
	struct sockaddr_un abstract = {.sun_family = AF_UNIX};
	const char *name = json_string_value(json_object_get(targets, "abstract"));
	snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "%s", name);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
	/* Some give such a name its own length, some that of the whole address. */
	tell("connect an abstract socket",
	     connect(fd, (struct sockaddr *)&abstract, len) == 0 ||
		     connect(fd, (struct sockaddr *)&abstract, sizeof abstract) == 0);
	int pair[2];
	tell("make a socket pair", socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	tell("make a netlink socket", socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
	a = loopback(0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	tell("bind", bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
}

static void try_signals(void)
{
	pid_t victim = (pid_t)json_integer_value(json_object_get(targets, "victim"));
	struct f_owner_ex owner = {F_OWNER_PID, victim};
	siginfo_t info = {.si_code = SI_QUEUE};
	int fds[2];
	tell("kill", kill(victim, SIGCONT) == 0);
	tell("tkill", syscall(SYS_tkill, victim, SIGCONT) == 0);
	tell("tgkill", syscall(SYS_tgkill, victim, victim, SIGCONT) == 0);
	tell("sigqueue", syscall(SYS_rt_sigqueueinfo, victim, SIGCONT, &info) == 0);
	tell("pidfd_open", syscall(SYS_pidfd_open, victim, 0) >= 0);
	tell("prlimit of another", prlimit(victim, RLIMIT_CORE, NULL, &(struct rlimit){0}) == 0);
	tell("setpriority of another", setpriority(PRIO_PROCESS, (id_t)victim, 10) == 0);
	if (pipe2(fds, O_CLOEXEC) != 0)
		return;
	tell("F_SETOWN", fcntl(fds[0], F_SETOWN, victim) == 0);
	tell("F_SETOWN_EX", fcntl(fds[0], F_SETOWN_EX, &owner) == 0);
	tell("F_SETSIG", fcntl(fds[0], F_SETSIG, SIGCONT) == 0);
	tell("O_ASYNC", fcntl(fds[0], F_SETFL, O_ASYNC) == 0);
	tell("FIOSETOWN", ioctl(fds[0], FIOSETOWN, &victim) == 0 || ioctl(stream, FIOSETOWN, &victim) == 0);
	tell("F_SETPIPE_SZ", fcntl(fds[0], F_SETPIPE_SZ, 65536) >= 0);
}

static void try_kernel(void)
{
	tell("memfd_create", syscall(SYS_memfd_create, "x", 0) >= 0);
	tell("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno == EFAULT);
	tell("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC | 1) >= 0);
	tell("prctl", prctl(PR_SET_DUMPABLE, 1) == 0);
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	tell("fork", child > 0);
	tell("truncate the log", ftruncate(STDERR_FILENO, 0) == 0 || errno == EINVAL);
	tell("copy the log's descriptor", fcntl(STDERR_FILENO, F_DUPFD, 30) >= 0);
}

static void try_everything(void)
{
	try_paths();
	try_network();
	try_signals();
	try_kernel();
	dprintf(STDERR_FILENO, "hostile: all was tried\n");
}

/* ---- as a worker ---- */

static void on_prepare(struct peer *p, json_t *body)
{
	struct sandbox_limits limits = {
		.memory_mb = json_integer_value(json_object_get(body, "memoryMb")),
		.cpu_s = json_integer_value(json_object_get(body, "cpuSeconds")),
	};
	peer_tell(p, MSG_CELL, json_build("{s:i}", "landlock", sandbox_enter(&limits)), -1);
}

static void on_answer(void *arg, json_t *reply, const struct peer_error *error)
{
	(void)arg;
	dprintf(STDERR_FILENO, "hostile: the answer is %s\n", reply ? "given" : error->code);
}

/* What it says to voiced that is not its own call's. */
static void misbehave(struct peer *p)
{
	dprintf(STDERR_FILENO, "hostile: attack %c\n", attack);
	if (attack == '1')
		peer_tell(p, MSG_ANNOUNCE,
			  json_build("{s:s, s:i, s:b}", "callId", "AAAAAAAAAAAA", "attempt", 0, "needsAgent",
				     1),
			  -1);
	else if (attack == '2')
		peer_ask(p, MSG_LIST_CALLS, json_object(), 5000, on_answer, NULL);
	else if (attack == '3')
		peer_ask(p, MSG_EMERGENCY_SHUTDOWN, json_object(), 5000, on_answer, NULL);
	else if (attack == '5')
		peer_tell(p, MSG_EVENT,
			  json_build("{s:i, s:s, s:s, s:{s:s, s:s}}", "seq", 1, "type", "transfer", "time",
				     "2026-01-01T00:00:00.000Z", "data", "toNumber", "+12025550199", "reason",
				     "it costs"),
			  -1);
	else if (attack == '6') {
		close(peer_fd(p)); /* nobody can ask it any more, and it has its call still */
		for (;;)
			poll(NULL, 0, -1);
	}
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)arg;
	if (f->type == MSG_PREPARE) {
		on_prepare(p, f->body);
	} else if (f->type == MSG_ASSIGN) {
		const char *to = json_string_value(json_object_get(f->body, "toNumber"));
		attack = to[strlen(to) - 1];
		stream = fd;
	} else if (f->type == MSG_WORKER_HANGUP) {
		_exit(0);
	} else if (f->type == MSG_AGENT) {
		provider = fd;
		if (attack == '0')
			try_everything();
		else
			misbehave(p);
	}
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)arg;
	dprintf(STDERR_FILENO, "hostile: voiced has hung up: %s\n", why);
	_exit(0);
}

static void load_targets(void)
{
	char path[4096], file[4200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	*strrchr(path, '/') = '\0';
	snprintf(file, sizeof file, "%s/targets", path);
	targets = json_load_file(file, 0, NULL);
	if (targets == NULL) {
		dprintf(STDERR_FILENO, "hostile: there are no targets in %s\n", file);
		_exit(1);
	}
}

/* Not confined, but a callworker: what each socket of a name makes of it. */
static void try_roles(void)
{
	static const enum role roles[] = {ROLE_MCPD, ROLE_TOOL, ROLE_SUPERVISOR, ROLE_VOICED,
					  ROLE_CALLWORKER};
	json_t *path;
	size_t i;
	char byte[16], name[300];
	json_array_foreach (json_object_get(targets, "sockets"), i, path)
		for (size_t r = 0; r < sizeof roles / sizeof *roles; r++) {
			int fd = fd_unix_connect(json_string_value(path));
			struct buffer bytes = {0};
			struct frame hello = {MSG_HELLO, 0, 0,
					      json_build("{s:i, s:s, s:i}", "version", PROTO_VERSION, "role",
							 role_name(roles[r]), "pid", 1)};
			struct frame status = {MSG_STATUS, 0, 1, json_object()};
			struct pollfd wait = {.fd = fd, .events = POLLIN};
			frame_encode(&bytes, &hello);
			frame_encode(&bytes, &status);
			ssize_t n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
			poll(&wait, 1, 5000);
			n = recv(fd, byte, sizeof byte, 0);
			snprintf(name, sizeof name, "a hello as %s on %s", role_name(roles[r]),
				 json_string_value(path));
			tell(name, n > 0);
			close(fd);
		}
}

/* What voiced has open is not for its workers: they would all share it. */
static void try_inherited(int control)
{
	unsigned count = 0;
	for (int fd = STDERR_FILENO + 1; fd < 1024; fd++)
		count += fd != control && fcntl(fd, F_GETFD) >= 0;
	tell("a descriptor that voiced has left open", count > 0);
}

int main(int argc, char **argv)
{
	static const struct peer_handler handler = {.message = on_message, .gone = on_gone};
	load_targets();
	if (argc > 1 && strcmp(argv[1], "--free") == 0) {
		try_everything();
		try_roles();
		_exit(0);
	}
	signal(SIGPIPE, SIG_IGN);
	int control = fd_inherited(DOOR_CONTROL);
	try_inherited(control);
	struct peer *p = peer_new(control, ROLE_CALLWORKER, ROLE_VOICED, &handler, NULL);
	for (;;) {
		struct pollfd wait = {.fd = peer_fd(p), .events = POLLIN};
		if (peer_wants_write(p))
			peer_writable(p);
		if (poll(&wait, 1, -1) > 0)
			peer_readable(p);
	}
}
