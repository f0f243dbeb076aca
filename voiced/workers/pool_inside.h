/* What the pool (pool.c) and a worker of it (worker.c) share. */
#ifndef PHONY_VOICED_WORKERS_POOL_INSIDE_H
#define PHONY_VOICED_WORKERS_POOL_INSIDE_H

#include "lib/daemon/heartbeat.h"
#include "lib/daemon/peer_link.h"
#include "lib/loop/loop.h"
#include "voiced/workers/pool.h"
#include "voiced/workers/worker_sockets.h"

#include <sys/queue.h>

#define WORKERS_MAGIC 0x776b7273u
#define WORKER_MAGIC 0x776f726bu

enum { STATUS_UNKNOWN = -1 }; /* how a worker ended, nobody told */

struct worker {
	unsigned magic;
	LIST_ENTRY(worker) next;
	struct workers *all;
	struct link *link; /* NULL: its end is known, its exit is not, yet */
	pid_t pid;
	bool ours;         /* our child, not an earlier voiced's */
	struct call *call; /* NULL: idle, or not announced yet */
	int64_t attempt;
	int64_t stored, acknowledged; /* the last of its events that is; that it knows of */
	char *late;     /* the id of a call that is over: only its last events are still to come */
	bool prepared;  /* it has said so: it is callworker, ready for a call */
	int again_ms;   /* its end: the carrier is to come back after so long */
	bool announced; /* an earlier voiced's worker has told where it is */
	bool named;     /* the next voiced finds it by this name */
	struct worker_name name;
	struct timer burial;
	struct heartbeat heartbeat; /* while it serves a call */
	int64_t landlock;           /* -1: not told, or to an earlier voiced */
	int stream;                 /* a duplicate of the stream's descriptor, never read; -1: none */
};

struct workers {
	unsigned magic;
	struct voiced *v;
	char *program;
	struct worker_sockets *sockets;
	struct event *child;
	struct timer refill;
	LIST_HEAD(, worker) list;
	bool closing;
	unsigned false_starts; /* idle ones in a row that ended before they were ready */
};

/* The worker has ended: told in words, its stream closed, its place filled again. status: as of waitpid(2).
 */
void worker_end(struct worker *w, int status);
/* It serves a call: from now on it is missed when it hangs. */
void worker_watch(struct worker *w);
/* A message of its; its link has ended. */
void worker_message(struct worker *w, const struct frame *f, int fd);
void worker_link_gone(struct worker *w);
/* Its link and its name are there: gives it its call. */
void worker_rejoin(struct worker *w);
/* It is gone, or belongs to another voiced from now on; nothing is told. */
void worker_forget(struct worker *w);
/* What it told up to seq is stored: see workers_acknowledge. */
void worker_stored(struct worker *w, int64_t seq, int64_t limit);
/* Another is wanted, soon. */
void workers_refill(struct workers *all);

#endif
