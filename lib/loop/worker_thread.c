#include "lib/loop/worker_thread.h"

#include "lib/base/object.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WORKER_THREAD_MAGIC 0x77746872u

enum { BATCH_MAX = 256 };

struct queue {
	struct worker_job *first, **last;
};

struct worker_thread {
	unsigned magic;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct queue todo, done_ok, done_failed;
	bool stopping;
	struct worker_batch batch;
	int done_fd;
	struct event *done_event;
	size_t pending; /* loop's thread only */
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void queue_add(struct queue *q, struct worker_job *job)
{
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
}

static void queue_move(struct queue *to, struct queue *from)
{
	if (from->first == NULL)
		return;
	*to->last = from->first;
	to->last = from->last;
	queue_init(from);
}

static void take_batch(struct worker_thread *w, struct queue *batch)
{
	queue_init(batch);
	for (int n = 0; n < BATCH_MAX && w->todo.first != NULL; n++) {
		struct worker_job *job = w->todo.first;
		w->todo.first = job->next;
		if (w->todo.first == NULL)
			w->todo.last = &w->todo.first;
		queue_add(batch, job);
	}
}

static void work(struct worker_thread *w, struct queue *batch)
{
	w->batch.begin(w->batch.context);
	for (struct worker_job *job = batch->first; job != NULL; job = job->next)
		job->work(job, w->batch.context);
	bool ok = w->batch.end(w->batch.context);
	pthread_mutex_lock(&w->mutex);
	queue_move(ok ? &w->done_ok : &w->done_failed, batch);
	pthread_mutex_unlock(&w->mutex);
}

static void *run(void *arg)
{
	struct worker_thread *w = arg;
	for (;;) {
		struct queue batch;
		pthread_mutex_lock(&w->mutex);
		while (w->todo.first == NULL && !w->stopping)
			pthread_cond_wait(&w->wake, &w->mutex);
		take_batch(w, &batch);
		pthread_mutex_unlock(&w->mutex);
		if (batch.first == NULL)
			return NULL;
		work(w, &batch);
		uint64_t one = 1;
		if (write(w->done_fd, &one, sizeof one) < 0)
			panic("eventfd refuses to count");
	}
}

static void finish(struct worker_thread *w, struct queue *jobs, bool ok)
{
	while (jobs->first != NULL) {
		struct worker_job *job = jobs->first;
		jobs->first = job->next;
		w->pending--;
		job->done(job, ok);
	}
}

static void finish_done(struct worker_thread *w)
{
	struct queue ok, failed;
	queue_init(&ok);
	queue_init(&failed);
	pthread_mutex_lock(&w->mutex);
	queue_move(&ok, &w->done_ok);
	queue_move(&failed, &w->done_failed);
	pthread_mutex_unlock(&w->mutex);
	finish(w, &ok, true);
	finish(w, &failed, false);
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	uint64_t count;
	if (read(fd, &count, sizeof count) == sizeof count)
		finish_done(arg);
}

struct worker_thread *worker_thread_new(struct event_base *base, const struct worker_batch *batch)
{
	struct worker_thread *w;
	OBJ_ALLOC(w, WORKER_THREAD_MAGIC);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->wake, NULL);
	queue_init(&w->todo);
	queue_init(&w->done_ok);
	queue_init(&w->done_failed);
	w->batch = *batch;
	w->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->done_event = event_new(base, w->done_fd, EV_READ | EV_PERSIST, on_done, w);
	if (w->done_fd < 0 || w->done_event == NULL)
		panic("no eventfd for a thread");
	event_add(w->done_event, NULL);
	/* Signals are the loop's. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&w->thread, NULL, run, w) != 0)
		panic("no thread to be had");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return w;
}

void worker_thread_post(struct worker_thread *w, struct worker_job *job)
{
	OBJ_CHECK(w, WORKER_THREAD_MAGIC);
	w->pending++;
	pthread_mutex_lock(&w->mutex);
	queue_add(&w->todo, job);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
}

size_t worker_thread_pending(const struct worker_thread *w)
{
	OBJ_CHECK(w, WORKER_THREAD_MAGIC);
	return w->pending;
}

void worker_thread_finish(struct worker_thread *w)
{
	OBJ_CHECK(w, WORKER_THREAD_MAGIC);
	if (!w->stopping) {
		pthread_mutex_lock(&w->mutex);
		w->stopping = true;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->mutex);
		pthread_join(w->thread, NULL);
	}
	/* What is posted from now on, by a done as well, is worked off here. */
	for (finish_done(w); w->pending > 0; finish_done(w)) {
		struct queue batch;
		take_batch(w, &batch);
		work(w, &batch);
	}
}

void worker_thread_free(struct worker_thread **ww)
{
	struct worker_thread *w = *ww;
	if (w == NULL)
		return;
	worker_thread_finish(w);
	event_free(w->done_event);
	close(w->done_fd);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->mutex);
	OBJ_FREE(w);
	*ww = NULL;
}
