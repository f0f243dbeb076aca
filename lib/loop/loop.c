#include "lib/loop/loop.h"

#include "lib/base/panic.h"

#include <stdlib.h>

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct timer *t = arg;
	t->fn(t->arg);
}

void timer_start(struct timer *t, struct event_base *base, int ms, loop_fn *fn, void *arg)
{
	t->fn = fn;
	t->arg = arg;
	if (t->event == NULL)
		t->event = evtimer_new(base, on_timer, t);
	if (ms < 0)
		ms = 0;
	struct timeval delay = {ms / 1000, ms % 1000 * 1000};
	if (t->event == NULL || evtimer_add(t->event, &delay) != 0)
		panic("libevent refuses a timer");
}

void timer_stop(struct timer *t)
{
	if (t->event != NULL)
		event_free(t->event);
	t->event = NULL;
}

bool timer_running(const struct timer *t)
{
	return t->event != NULL && evtimer_pending(t->event, NULL);
}

struct deferred {
	loop_fn *fn;
	void *arg;
};

static void on_deferred(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct deferred d = *(struct deferred *)arg;
	free(arg);
	d.fn(d.arg);
}

void loop_defer(struct event_base *base, loop_fn *fn, void *arg)
{
	static const struct timeval at_once = {0, 0};
	struct deferred *d = xcalloc(1, sizeof *d);
	*d = (struct deferred){fn, arg};
	if (event_base_once(base, -1, EV_TIMEOUT, on_deferred, d, &at_once) != 0)
		panic("libevent refuses a deferred call");
}

struct event_base *loop_new(bool any_fd)
{
	struct event_config *config = event_config_new();
	if (any_fd)
		event_config_require_features(config, EV_FEATURE_FDS);
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	struct event_base *base = event_base_new_with_config(config);
	event_config_free(config);
	if (base == NULL)
		panic("libevent has no loop to give");
	return base;
}
