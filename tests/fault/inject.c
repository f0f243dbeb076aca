/*
 * Preloaded into the daemons: now and then an allocation, a write, a sync, a
 * connection or a descriptor is not to be had. INJECT_SEED begins the dice; the
 * supervisor, which has nobody to start it again in a test, is left alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum per_million { ALLOCATION = 1, FILE_WRITE = 2000, SYNC = 3000, CONNECTION = 10000, DESCRIPTOR = 5000, SHORT = 5000 };

static bool armed;
static __thread uint64_t dice;

__attribute__((constructor)) static void arm(void)
{
	const char *name = program_invocation_short_name;
	armed = getenv("INJECT_SEED") != NULL &&
		(strcmp(name, "voiced") == 0 || strcmp(name, "smsd") == 0 || strcmp(name, "mcpd") == 0);
}

static bool fails(enum per_million chance)
{
	if (!armed)
		return false;
	if (dice == 0)
		dice = strtoull(getenv("INJECT_SEED"), NULL, 10) * 0x9e3779b97f4a7c15ull ^ (uint64_t)getpid() << 20 ^
		       (uint64_t)(uintptr_t)&dice;
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice % 1000000 < chance;
}

#define REAL(type, name, ...)                             \
	static type (*real)(__VA_ARGS__);                 \
	if (real == NULL)                                 \
		real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static bool is_file(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

extern void *__libc_malloc(size_t);
extern void *__libc_realloc(void *, size_t);

void *malloc(size_t n)
{
	if (fails(ALLOCATION)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(n);
}

void *realloc(void *old, size_t n)
{
	if (fails(ALLOCATION)) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_realloc(old, n);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
	REAL(ssize_t, "write", int, const void *, size_t);
	if (is_file(fd) && fails(FILE_WRITE)) {
		errno = ENOSPC;
		return -1;
	}
	return real(fd, bytes, n > 8 && fails(SHORT) ? n / 2 : n); /* an eventfd takes 8 or nothing */
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off_t at)
{
	REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
	if (fails(FILE_WRITE)) {
		errno = ENOSPC;
		return -1;
	}
	return real(fd, bytes, n, at);
}

int fsync(int fd)
{
	REAL(int, "fsync", int);
	if (fails(SYNC)) {
		errno = EIO;
		return -1;
	}
	return real(fd);
}

int fdatasync(int fd)
{
	REAL(int, "fdatasync", int);
	if (fails(SYNC)) {
		errno = EIO;
		return -1;
	}
	return real(fd);
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
	REAL(int, "connect", int, const struct sockaddr *, socklen_t);
	if (fails(CONNECTION)) {
		errno = ECONNREFUSED;
		return -1;
	}
	return real(fd, address, len);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	REAL(int, "accept4", int, struct sockaddr *, socklen_t *, int);
	if (fails(DESCRIPTOR)) {
		errno = EMFILE;
		return -1;
	}
	return real(fd, address, len, flags);
}

int socket(int family, int type, int protocol)
{
	REAL(int, "socket", int, int, int);
	if (fails(DESCRIPTOR)) {
		errno = EMFILE;
		return -1;
	}
	return real(family, type, protocol);
}

ssize_t recv(int fd, void *bytes, size_t n, int flags)
{
	REAL(ssize_t, "recv", int, void *, size_t, int);
	if (fails(SHORT)) {
		errno = EINTR;
		return -1;
	}
	return real(fd, bytes, n, flags);
}
