#include "voiced/frontend/accept.h"

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/http/request_target.h"
#include "lib/loop/loop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define DOOR_MAGIC 0x646f6f72u

enum {
	DECIDE_TIMEOUT_MS = 5000, /* absolute, however the bytes trickle in */
	ACCEPT_PAUSE_MS = 100,    /* when descriptors have run out */
	UNDECIDED_MAX = 2048,
};

struct visitor {
	TAILQ_ENTRY(visitor) next;
	struct door *door;
	int fd;
	struct event *readable;
	struct timer deadline;
};

struct door {
	unsigned magic;
	struct event_base *base;
	int listener;
	struct event *accepting;
	struct timer pause;
	const struct door_handler *handler;
	void *arg;
	TAILQ_HEAD(visitors, visitor) visitors; /* the oldest first */
	unsigned count;
};

static const char *reason_of(int status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 408:
		return "Request Timeout";
	case 414:
		return "URI Too Long";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	default:
		return "Error";
	}
}

void door_refuse(int fd, int status, const char *code, const char *message)
{
	char body[512], answer[1024], unread[4096];
	int body_len = snprintf(body, sizeof body,
				"{\"status\":\"error\",\"code\":\"%s\",\"message\":\"%s\"}", code, message);
	int len = snprintf(answer, sizeof answer,
			   "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
			   "Connection: close\r\n%s\r\n%s",
			   status, reason_of(status), body_len, status == 503 ? "Retry-After: 5\r\n" : "",
			   body);
	/* Closing with bytes unread would reset the connection before the answer is read. */
	for (int i = 0; i < 64 && recv(fd, unread, sizeof unread, MSG_DONTWAIT) > 0; i++)
		;
	if (send(fd, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) == len)
		shutdown(fd, SHUT_WR);
	close(fd);
}

/* Forgets the visitor; its descriptor is the caller's from now on. */
static int let_go(struct visitor *v)
{
	int fd = v->fd;
	TAILQ_REMOVE(&v->door->visitors, v, next);
	v->door->count--;
	event_free(v->readable);
	timer_stop(&v->deadline);
	free(v);
	return fd;
}

static void refuse(struct visitor *v, int status, const char *code, const char *message)
{
	LOG_OUTSIDE(LOG_SEV_INFO, "a connection was refused with %d: %s", status, message);
	door_refuse(let_go(v), status, code, message);
}

static void on_deadline(void *arg)
{
	refuse(arg, 408, "timeout", "No whole request came within 5 seconds.");
}

static void decide(struct visitor *v, const char *bytes, size_t len)
{
	struct route route;
	struct door *door = v->door;
	route_request(bytes, len, &route);
	switch (route.kind) {
	case ROUTE_PARTIAL:
		if (memchr(bytes, '\n', len) == NULL && len >= ROUTE_LINE_MAX)
			refuse(v, 414, "too_large", "The request line is over 8192 bytes.");
		else if (len >= ROUTE_HEADER_MAX)
			refuse(v, 431, "too_large", "The header is over 16384 bytes.");
		return;
	case ROUTE_BAD:
		refuse(v, 400, "invalid", "This is no HTTP/1.1 request.");
		return;
	case ROUTE_UNCLEAR:
		refuse(v, 400, "invalid", TARGET_ADVICE);
		return;
	case ROUTE_SELF:
		door->handler->own(door->arg, let_go(v));
		return;
	case ROUTE_SMSD:
	case ROUTE_MCPD:
		door->handler->other(door->arg, route.kind, let_go(v));
		return;
	case ROUTE_STREAM:
		door->handler->stream(door->arg, &route, let_go(v));
		return;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct visitor *v = arg;
	char bytes[ROUTE_HEADER_MAX];
	ssize_t n;
	do
		n = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR); /* the edge does not come again */
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || (what & EV_CLOSED)) {
		/* Gone, or half closed before the request was whole: nothing more will come. */
		struct route route = {ROUTE_PARTIAL, "", "", ""};
		if (n > 0)
			route_request(bytes, (size_t)n, &route);
		if (n <= 0 || route.kind == ROUTE_PARTIAL) {
			close(let_go(v));
			return;
		}
	}
	decide(v, bytes, (size_t)n);
}

static void welcome(struct door *d, int fd)
{
	/* Who has something to say says it at once: those who have said nothing for longest make room. */
	if (d->count >= UNDECIDED_MAX)
		close(let_go(TAILQ_FIRST(&d->visitors)));
	struct visitor *v = xcalloc(1, sizeof *v);
	v->door = d;
	v->fd = fd;
	TAILQ_INSERT_TAIL(&d->visitors, v, next);
	d->count++;
	/* Edge-triggered: a peeked, partial line must not wake the loop again and again. */
	v->readable = event_new(d->base, fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_readable, v);
	if (v->readable == NULL || event_add(v->readable, NULL) != 0)
		panic("libevent refuses a connection");
	timer_start(&v->deadline, d->base, DECIDE_TIMEOUT_MS, on_deadline, v);
}

static void on_pause_over(void *arg)
{
	struct door *d = arg;
	event_add(d->accepting, NULL);
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	(void)what;
	struct door *d = arg;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			welcome(d, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN) {
			static struct log_limit once_a_minute = {.most = 1};
			log_limited(&once_a_minute, LOG_SEV_ERROR,
				    "accepting connections failed, and is tried again all the time: %s",
				    strerror(errno));
			event_del(d->accepting);
			timer_start(&d->pause, d->base, ACCEPT_PAUSE_MS, on_pause_over, d);
		}
		return;
	}
}

struct door *door_open(struct event_base *base, int listener, const struct door_handler *h, void *arg)
{
	struct door *d;
	OBJ_ALLOC(d, DOOR_MAGIC);
	d->base = base;
	d->listener = listener;
	d->handler = h;
	d->arg = arg;
	TAILQ_INIT(&d->visitors);
	fd_set_nonblock(listener, true);
	d->accepting = event_new(base, listener, EV_READ | EV_PERSIST, on_accept, d);
	if (d->accepting == NULL || event_add(d->accepting, NULL) != 0)
		panic("libevent refuses the TCP port");
	return d;
}

void door_shut(struct door *d)
{
	OBJ_CHECK(d, DOOR_MAGIC);
	event_del(d->accepting);
	timer_stop(&d->pause);
}

void door_close(struct door **dd)
{
	struct door *d = *dd;
	if (d == NULL)
		return;
	OBJ_CHECK(d, DOOR_MAGIC);
	struct visitor *v;
	while ((v = TAILQ_FIRST(&d->visitors)) != NULL)
		close(let_go(v));
	event_free(d->accepting);
	timer_stop(&d->pause);
	OBJ_FREE(d);
	*dd = NULL;
}
