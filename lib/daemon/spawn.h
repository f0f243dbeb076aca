/* Starting a program with exactly the descriptors it is to have. */
#ifndef PHONY_DAEMON_SPAWN_H
#define PHONY_DAEMON_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

enum { SPAWN_FDS_MAX = 8 };

struct spawn_fd {
	int fd;
	const char *name; /* as in lib/base/inherit.h */
};

struct spawn {
	const char *path;
	const char *const *argv;
	const char *const *envp; /* LISTEN_FDS and LISTEN_FDNAMES are added */
	struct spawn_fd fds[SPAWN_FDS_MAX];
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

/*
 * From now on spawn_sibling finds programs also when their folder can no longer
 * be reached by its name, as by somebody who is not root any more. What it gives
 * then means something to this process and what it spawns only.
 */
void spawn_keep_folder(void);
/* By its name in any case; the caller frees. */
char *spawn_sibling_by_name(const char *name);

#endif
