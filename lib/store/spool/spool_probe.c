/* Whether the database is there: asked by a thread of its own, which may hang in it. */
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/store/spool/spool_inside.h"

#include <time.h>

enum {
	PROBE_MS = 500,
	FIRST_MS = 400, /* that a start waits for the database */
};

static struct timespec in_ms(int ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	return until;
}

static void *probe(void *arg)
{
	struct spool *s = arg;
	pthread_mutex_lock(&s->mutex);
	while (!s->stopping) {
		struct timespec until = in_ms(PROBE_MS);
		if (!s->first)
			pthread_cond_timedwait(&s->wake, &s->mutex, &until);
		s->first = false;
		if (!s->probing || s->stopping)
			continue;
		pthread_mutex_unlock(&s->mutex);
		bool back = mongodb_takes_writes(s->db->self);
		pthread_mutex_lock(&s->mutex);
		if (back) {
			s->probing = false;
			atomic_store(&s->back, true);
			pthread_cond_signal(&s->answered);
		}
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

void spool_probe_start(struct spool *s)
{
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->wake, NULL);
	pthread_cond_init(&s->answered, NULL);
	s->probing = s->first = true;
	if (pthread_create(&s->prober, NULL, probe, s) != 0)
		panic("no thread to be had");
}

void spool_probe_stop(struct spool *s)
{
	pthread_mutex_lock(&s->mutex);
	s->stopping = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->mutex);
	pthread_join(s->prober, NULL);
	pthread_mutex_destroy(&s->mutex);
	pthread_cond_destroy(&s->wake);
	pthread_cond_destroy(&s->answered);
}

bool spool_first_contact(struct spool *s)
{
	struct timespec until = in_ms(FIRST_MS);
	pthread_mutex_lock(&s->mutex);
	while (!atomic_load(&s->back) && pthread_cond_timedwait(&s->answered, &s->mutex, &until) == 0)
		;
	pthread_mutex_unlock(&s->mutex);
	return atomic_load(&s->back);
}

void spool_go_away(struct spool *s, const char *why)
{
	if (!s->away)
		log_error("%s; writes are kept on local disk until it is back", why);
	s->away = true;
	atomic_store(&s->back, false);
	pthread_mutex_lock(&s->mutex);
	s->probing = true;
	pthread_mutex_unlock(&s->mutex);
}

bool spool_lost(struct spool *s, struct store_error *error)
{
	if (error->failure != STORE_AWAY)
		return false;
	spool_go_away(s, error->text);
	*error = (struct store_error){.text = ""};
	return true;
}
