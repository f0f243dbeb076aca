/* Starting a program with exactly the descriptors it is to have. */
#ifndef PHONY_SPAWN_H
#define PHONY_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

enum { SPAWN_FDS_MAX = 8 };

struct spawn {
	const char *path;
	const char *const *argv;
	const char *const *envp; /* LISTEN_FDS and LISTEN_FDNAMES are added */
	struct {
		int fd;
		const char *name; /* as in lib/base/inherit.h */
	} fds[SPAWN_FDS_MAX];
	unsigned fd_count;
	bool own_session;
	int stdin_fd, stdout_fd, stderr_fd; /* 0: as ours; -1: /dev/null; else this one */
};

/*
 * posix_spawn (never a plain fork: it copies the page tables of a large
 * daemon). Signals are reset to their defaults. Returns the pid, or -1 with errno.
 */
pid_t spawn_program(const struct spawn *s);

/* The program of this name beside the running one; the caller frees. */
char *spawn_sibling(const char *name);

#endif
