#include "lib/daemon/peer_link.h"

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/loop/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define LINK_MAGIC 0x6c696e6bu

enum { ACCEPT_PAUSE_MS = 100 }; /* when descriptors have run out */

struct link {
	unsigned magic;
	struct event_base *base;
	struct peer *peer;
	struct event *read, *write;
	struct timer expiry;
	const struct peer_handler *handler;
	void *arg;
	bool freed;
};

static void watch(struct link *l);

static void on_expiry(void *arg)
{
	struct link *l = arg;
	peer_expire(l->peer);
	watch(l);
}

/* Brings the events in line with what the peer waits for. */
static void watch(struct link *l)
{
	if (l->freed)
		return;
	if (!peer_is_open(l->peer)) {
		if (l->read != NULL) {
			event_free(l->read);
			event_free(l->write);
			l->read = l->write = NULL;
		}
	} else if (peer_wants_write(l->peer)) {
		event_add(l->write, NULL);
	}
	int ms = peer_next_deadline_ms(l->peer);
	if (ms >= 0)
		timer_start(&l->expiry, l->base, ms, on_expiry, l);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	struct link *l = arg;
	if (what & EV_READ)
		peer_readable(l->peer);
	if ((what & EV_WRITE) && peer_is_open(l->peer))
		peer_writable(l->peer);
	watch(l);
}

static void on_hello(struct peer *p, enum role role, pid_t pid, void *arg)
{
	struct link *l = arg;
	if (l->handler->hello && !l->freed)
		l->handler->hello(p, role, pid, l->arg);
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	struct link *l = arg;
	if (l->freed)
		fd_close(&fd);
	else
		l->handler->message(p, f, fd, l->arg);
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	struct link *l = arg;
	if (!l->freed)
		l->handler->gone(p, why, l->arg);
}

static void on_want_write(struct peer *p, void *arg)
{
	(void)p;
	struct link *l = arg;
	if (l->peer != NULL && l->read != NULL)
		watch(l);
	else if (l->peer != NULL && !l->freed)
		timer_start(&l->expiry, l->base, 0, on_expiry, l);
}

static const struct peer_handler forward = {on_hello, on_message, on_gone, on_want_write};

struct link *link_new(struct event_base *base, int fd, enum role self, unsigned expected,
		      const struct peer_handler *handler, void *arg)
{
	struct link *l;
	OBJ_ALLOC(l, LINK_MAGIC);
	l->base = base;
	l->handler = handler;
	l->arg = arg;
	l->peer = peer_new(fd, self, expected, &forward, l);
	l->read = event_new(base, fd, EV_READ | EV_PERSIST, on_event, l);
	l->write = event_new(base, fd, EV_WRITE, on_event, l);
	if (l->read == NULL || l->write == NULL || event_add(l->read, NULL) != 0)
		panic("libevent refuses a peer's descriptor");
	watch(l);
	return l;
}

struct peer *link_peer(struct link *l)
{
	OBJ_CHECK(l, LINK_MAGIC);
	return l->peer;
}

static void really_free(void *arg)
{
	struct link *l = arg;
	timer_stop(&l->expiry);
	peer_free(&l->peer);
	OBJ_FREE(l);
}

void link_free(struct link **ll)
{
	struct link *l = *ll;
	if (l == NULL)
		return;
	OBJ_CHECK(l, LINK_MAGIC);
	/* First: what follows may find the other side gone, and the owner is not to hear of it, nor free
	 * again. */
	*ll = NULL;
	l->freed = true;
	/* Last words, as far as the socket takes them. */
	if (peer_is_open(l->peer))
		peer_writable(l->peer);
	if (l->read != NULL) {
		event_free(l->read);
		event_free(l->write);
		l->read = l->write = NULL;
	}
	timer_stop(&l->expiry);
	if (peer_is_open(l->peer))
		peer_close(l->peer, "closed by us");
	loop_defer(l->base, really_free, l);
}

struct link_listener {
	struct event_base *base;
	struct event *event;
	struct timer pause;
	link_accept_fn *fn;
	void *arg;
};

static void on_pause_over(void *arg)
{
	struct link_listener *l = arg;
	event_add(l->event, NULL);
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	(void)what;
	static struct log_limit once_a_minute = {.most = 1};
	struct link_listener *l = arg;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			l->fn(fd, l->arg);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN)
			return;
		/* Descriptors or memory have run out: it stays readable, and who waits there does so in the
		 * kernel. */
		log_limited(&once_a_minute, LOG_SEV_ERROR,
			    "accepting peers failed, and is tried again all the time: %s", strerror(errno));
		event_del(l->event);
		timer_start(&l->pause, l->base, ACCEPT_PAUSE_MS, on_pause_over, l);
		return;
	}
}

struct link_listener *link_listen(struct event_base *base, int fd, link_accept_fn *fn, void *arg)
{
	struct link_listener *l = xcalloc(1, sizeof *l);
	l->base = base;
	l->fn = fn;
	l->arg = arg;
	fd_set_nonblock(fd, true);
	l->event = event_new(base, fd, EV_READ | EV_PERSIST, on_accept, l);
	if (l->event == NULL || event_add(l->event, NULL) != 0)
		panic("libevent refuses a listening socket");
	return l;
}

void link_listener_free(struct link_listener **l)
{
	if (*l == NULL)
		return;
	timer_stop(&(*l)->pause);
	event_free((*l)->event);
	free(*l);
	*l = NULL;
}
