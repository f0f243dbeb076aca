/*
 * Where the next voiced finds the workers of this one. A worker cannot connect to
 * anything: it is handed a listening socket before its call, and whichever voiced
 * comes after this one connects to it. The socket's name in RUN_DIR/workers says
 * whose it is: CALLID.ATTEMPT.PID. voiced alone writes there, so a worker is known
 * by what voiced wrote down, never by what the worker claims to be.
 */
#ifndef PHONY_VOICED_WORKERS_WORKER_SOCKETS_H
#define PHONY_VOICED_WORKERS_WORKER_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct worker_sockets;

struct worker_name {
	char call_id[64];
	int64_t attempt;
	pid_t pid;
};

/* Makes RUN_DIR/workers if it is not there. NULL with errno: it cannot be used. */
struct worker_sockets *worker_sockets_open(const char *run_dir);
void worker_sockets_close(struct worker_sockets **s);

/* A listening socket for this worker, to be handed to it; -1 with errno. */
int worker_sockets_make(const struct worker_sockets *s, const struct worker_name *name);
/* The worker has ended. */
void worker_sockets_remove(const struct worker_sockets *s, const struct worker_name *name);

/*
 * Connects to each worker that is there. fd is handed over, non-blocking. The names of
 * workers that have ended are removed.
 */
typedef void worker_sockets_fn(void *arg, const struct worker_name *name, int fd);
void worker_sockets_each(const struct worker_sockets *s, worker_sockets_fn *fn, void *arg);

/* "CALLID.ATTEMPT.PID" and back; false: it is not such a name. */
bool worker_name_parse(const char *text, struct worker_name *name);

#endif
