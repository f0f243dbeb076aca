/*
 * One thread that takes jobs in order, and tells the loop when they are done.
 * Jobs that wait together are worked on as one batch (one transaction, one
 * fsync): a job is done only when its whole batch has ended well.
 */
#ifndef PHONY_LOOP_WORKER_THREAD_H
#define PHONY_LOOP_WORKER_THREAD_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

struct worker_thread;

struct worker_job {
	/* On the thread. */
	void (*work)(struct worker_job *job, void *context);
	/* On the loop, once; ok is false when the batch could not be ended. Owns the job. */
	void (*done)(struct worker_job *job, bool ok);
	struct worker_job *next;
};

struct worker_batch {
	void (*begin)(void *context);
	bool (*end)(void *context); /* false: nothing of the batch lasts */
	void *context;              /* handed to work, too; used on the thread only */
};

struct worker_thread *worker_thread_new(struct event_base *base, const struct worker_batch *batch);

/* Queues a job. Call from the loop's thread only. */
void worker_thread_post(struct worker_thread *w, struct worker_job *job);

/* Jobs posted and not yet done. */
size_t worker_thread_pending(const struct worker_thread *w);

/*
 * Ends the thread, works off what is queued, calls every done; what is posted
 * later waits for the next such call. Then worker_thread_free.
 */
void worker_thread_finish(struct worker_thread *w);

/* Finishes, too. */
void worker_thread_free(struct worker_thread **w);

#endif
