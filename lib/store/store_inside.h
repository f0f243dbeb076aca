/* What the store (store.c) and a call's events in it (call_events.c) share. */
#ifndef PHONY_STORE_STORE_INSIDE_H
#define PHONY_STORE_STORE_INSIDE_H

#include "lib/base/object.h"
#include "lib/loop/loop.h"
#include "lib/loop/worker_thread.h"
#include "lib/store/backend.h"
#include "lib/store/store.h"

#include <stdatomic.h>

#define STORE_MAGIC 0x73746f72u

struct store {
	unsigned magic;
	struct worker_thread *thread;
	struct store_backend *backend;
	struct event_base *base;
	struct timer tick;
	atomic_int again_ms; /* after how long the backend wants a tick; 0: never */
	bool closing;
	/* Of the batch at hand, on the thread: the first write begins it. */
	enum { IDLE, BEGUN, UNWRITABLE } batch;
};

struct job;
typedef json_t *job_fn(struct store *s, struct job *j);

struct job {
	struct worker_job job; /* first: a worker_job is a job */
	struct store *store;
	job_fn *run;
	bool writes;
	const struct store_collection *collection;
	json_t *args, *result;
	struct store_error error;
	store_fn *fn;
	void *arg;
};

/* The job of store_find: {documents, nextCursor?}. */
json_t *store_run_find(struct store *s, struct job *j);

/* Runs on the thread, then fn on the loop. args is stolen. */
void store_post(struct store *s, job_fn *run, bool writes, enum store_kind kind, json_t *args, store_fn *fn,
		void *arg);

#endif
