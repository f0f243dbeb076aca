#include "callworker/process/sandbox.h"

#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Sanitizers need room, and at the end threads and ptrace. */
#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum {
	/* Not fewer than poll(2) is given: over the limit it fails with EINVAL. */
	FILES_MAX = 64,
	RECORDING_MAX_MB = 1024, /* four hours, both sides, 16 bit */
};

/* ---- resources ---- */

static void limit(int resource, const char *name, rlim_t value)
{
	struct rlimit now, wanted;
	if (getrlimit(resource, &now) != 0)
		return;
	wanted.rlim_max = now.rlim_max < value ? now.rlim_max : value;
	wanted.rlim_cur = wanted.rlim_max;
	if (setrlimit(resource, &wanted) != 0)
		log_warn("the limit of %s cannot be set: %s", name, strerror(errno));
}

static void limit_resources(const struct sandbox_limits *l)
{
	const rlim_t mb = 1024 * 1024;
	if (!SANITIZED)
		limit(RLIMIT_AS, "memory", (rlim_t)l->memory_mb * mb);
	limit(RLIMIT_CPU, "CPU time", (rlim_t)l->cpu_s);
	limit(RLIMIT_CORE, "core size", (rlim_t)l->core_mb * mb);
	limit(RLIMIT_NOFILE, "descriptors", FILES_MAX);
	limit(RLIMIT_FSIZE, "file size", RECORDING_MAX_MB * mb);
	limit(RLIMIT_MEMLOCK, "locked memory", 0);
}

/* ---- files, TCP, signals: Landlock, landlock(7) ---- */

/* What the kernel knows beyond this machine's header file (linux/landlock.h): by the version that has it. */
enum {
	ACCESS_FS_REFER = 1 << 13,     /* 2 */
	ACCESS_FS_TRUNCATE = 1 << 14,  /* 3 */
	ACCESS_FS_IOCTL_DEV = 1 << 15, /* 5 */
	ACCESS_NET_BIND_TCP = 1 << 0,  /* 4 */
	ACCESS_NET_CONNECT_TCP = 1 << 1,
	SCOPE_ABSTRACT_UNIX_SOCKET = 1 << 0, /* 6 */
	SCOPE_SIGNAL = 1 << 1,
};

struct rules {
	uint64_t files, net, scoped;
};

/* Everything that this version can refuse. */
static int make_rules(int version)
{
	struct rules all = {
		.files = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
			 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
			 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
			 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
			 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
			 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
			 LANDLOCK_ACCESS_FS_MAKE_SYM,
	};
	if (version >= 2)
		all.files |= ACCESS_FS_REFER;
	if (version >= 3)
		all.files |= ACCESS_FS_TRUNCATE;
	if (version >= 4)
		all.net = ACCESS_NET_BIND_TCP | ACCESS_NET_CONNECT_TCP;
	if (version >= 5)
		all.files |= ACCESS_FS_IOCTL_DEV;
	if (version >= 6)
		all.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL;
	size_t size = version >= 6 ? sizeof all : version >= 4 ? 2 * sizeof all.files : sizeof all.files;
	return (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
}

static bool allow_reading(int rules, const char *path)
{
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
		.parent_fd = open(path, O_PATH | O_CLOEXEC),
	};
	if (beneath.parent_fd < 0)
		return errno == ENOENT;
	bool ok = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
	close(beneath.parent_fd);
	return ok;
}

/* Returns the version in force; 0: this kernel has none. */
static int restrict_reach(void)
{
	/* OpenSSL looks a certificate up when it meets it; the names there are links to elsewhere. */
	static const char *const certificates[] = {"/etc/ssl", "/usr/lib/ssl", "/usr/share/ca-certificates",
						   "/usr/local/share/ca-certificates"};
	int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1)
		return 0;
	int rules = make_rules(version);
	bool ok = rules >= 0;
	for (size_t i = 0; ok && i < sizeof certificates / sizeof *certificates; i++)
		ok = allow_reading(rules, certificates[i]);
	if (SANITIZED)
		ok = ok && allow_reading(rules, "/proc");
	ok = ok && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	if (!ok)
		log_warn("Landlock cannot be used: %s", strerror(errno));
	if (rules >= 0)
		close(rules);
	return ok ? version : 0;
}

/* ---- system calls: seccomp(2) ---- */

/*
 * What libwebsockets, OpenSSL, soxr and the C library need to go on with a call,
 * found by strace over whole calls of every kind. Everything else fails with
 * EPERM, so that a surprise costs no call; what only an intruder would try is
 * the end of the process.
 */
static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(getdents64),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(accept4), /* the next voiced comes to a socket that is handed over */
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(pipe2),
	SCMP_SYS(eventfd2),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_yield),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrusage),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static const int deadly[] = {
	SCMP_SYS(execve),           SCMP_SYS(execveat),          SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(mount),
	SCMP_SYS(init_module),      SCMP_SYS(finit_module),      SCMP_SYS(bpf),
	SCMP_SYS(setuid),           SCMP_SYS(setresuid),
};

/*
 * On descriptors that the process was given or has opened, not on the standard ones: those share
 * their offset and flags with all of phony. An argument is compared in 64 bits and used by the
 * kernel in 32: hence a rule for each power of two below FILES_MAX.
 */
enum { ANY_COMMAND = -1 };
static int allow_beyond_standard(scmp_filter_ctx filter, int call, int command)
{
	enum { FIRST_OTHER = 3 };
	const struct scmp_arg_cmp commanded = SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)command);
	unsigned count = command == ANY_COMMAND ? 1 : 2;
	struct scmp_arg_cmp fit[2] = {SCMP_A0(SCMP_CMP_EQ, FIRST_OTHER), commanded};
	int fault = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, count, fit);
	for (uint64_t first = FIRST_OTHER + 1; first < FILES_MAX; first *= 2) {
		fit[0] = SCMP_A0(SCMP_CMP_MASKED_EQ, ~(first - 1), first);
		fault |= seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, count, fit);
	}
	return fault;
}

/*
 * Of fcntl(2) only what concerns the process's own table of descriptors. F_SETOWN, F_SETSIG,
 * F_SETLEASE, F_NOTIFY and O_ASYNC send signals to others; flags belong to the open file, which
 * others may share. Whatever is handed over is non-blocking already: libwebsockets, which sets
 * that again, is told that it was.
 */
static int allow_fcntl(scmp_filter_ctx filter)
{
	static const int harmless[] = {F_GETFD, F_SETFD, F_GETFL};
	int fault = 0;
	for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
		fault |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
					  SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)harmless[i]));
	fault |= allow_beyond_standard(filter, SCMP_SYS(fcntl), F_DUPFD);
	fault |= allow_beyond_standard(filter, SCMP_SYS(fcntl), F_DUPFD_CLOEXEC);
	return fault |
	       seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(fcntl), 2, SCMP_A1(SCMP_CMP_EQ, F_SETFL),
				SCMP_A2(SCMP_CMP_MASKED_EQ, O_ASYNC, 0));
}

/* No new sockets, and of those that are there no new connection: MSG_FASTOPEN makes one. */
static int allow_sockets(scmp_filter_ctx filter)
{
	static const struct {
		int level, option;
	} options[] = {
		{SOL_SOCKET, SO_KEEPALIVE},   {SOL_SOCKET, SO_SNDBUF},     {SOL_SOCKET, SO_RCVBUF},
		{IPPROTO_TCP, TCP_NODELAY},   {IPPROTO_TCP, TCP_QUICKACK}, {IPPROTO_TCP, TCP_KEEPIDLE},
		{IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_KEEPCNT},  {IPPROTO_TCP, TCP_USER_TIMEOUT},
	};
	int fault = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1,
				     SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
	fault |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1,
				  SCMP_A2(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0));
	for (size_t i = 0; i < sizeof options / sizeof *options; i++)
		fault |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2,
					  SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)options[i].level),
					  SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)options[i].option));
	return fault;
}

static int allow_some(scmp_filter_ctx filter)
{
	enum { WRITES = O_ACCMODE | O_CREAT | O_TRUNC, EXECUTES = 4 /* PROT_EXEC */ };
	/* A thread of this process and nothing else: no namespace of its own. */
	enum {
		CLONE_KINDS = CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
			      CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET
	};
	int fault = allow_fcntl(filter) | allow_sockets(filter);
	fault |= allow_beyond_standard(filter, SCMP_SYS(pwrite64), ANY_COMMAND);
	fault |= allow_beyond_standard(filter, SCMP_SYS(lseek), ANY_COMMAND);
	/* The C library writes to what cannot be sought in, as to a pipe. */
	for (scmp_datum_t fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		fault |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ESPIPE), SCMP_SYS(lseek), 1,
					  SCMP_A0(SCMP_CMP_EQ, fd));
	fault |= allow_beyond_standard(filter, SCMP_SYS(ftruncate), ANY_COMMAND);
	fault |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
				  SCMP_A2(SCMP_CMP_MASKED_EQ, WRITES, O_RDONLY));
	fault |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				  SCMP_A2(SCMP_CMP_MASKED_EQ, EXECUTES, 0));
	fault |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				  SCMP_A2(SCMP_CMP_MASKED_EQ, EXECUTES, 0));
	/* Threads (the recorder's), no processes. clone3 hides its flags in memory: the C library has to do
	 * without. */
	fault |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	fault |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				  SCMP_A0(SCMP_CMP_MASKED_EQ, (scmp_datum_t)CLONE_KINDS, CLONE_THREAD));
	/* Its own death: abort(3). */
	fault |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	return fault;
}

static void restrict_calls(void)
{
	if (SANITIZED)
		return;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int fault = filter == NULL ? -ENOMEM : 0;
	for (size_t i = 0; fault == 0 && i < sizeof allowed / sizeof *allowed; i++)
		fault = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; fault == 0 && i < sizeof deadly / sizeof *deadly; i++)
		fault = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	if (fault == 0)
		fault = allow_some(filter);
	if (fault == 0)
		fault = seccomp_load(filter);
	if (fault != 0)
		log_warn("seccomp cannot be used: %s", strerror(-fault));
	seccomp_release(filter);
}

int sandbox_enter(const struct sandbox_limits *limits)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		log_warn("PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
	int landlock = restrict_reach();
	limit_resources(limits);
	restrict_calls();
	return landlock;
}
