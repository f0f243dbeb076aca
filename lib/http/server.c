#include "lib/base/text.h"
#include "lib/http/server_inside.h"

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/http/request_target.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection whose request is still arriving. */
struct arrival {
	int fd;
	struct timer deadline;
};

static void run(struct http_server *s);

static void on_timeout(void *arg)
{
	struct http_server *s = arg;
	s->kicked = false;
	run(s);
}

static void schedule(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;
	if (s->kicked || s->closing)
		return;
	if (MHD_get_timeout(s->daemon, &ms) == MHD_YES)
		timer_start(&s->timeout, s->base, ms > 60000 ? 60000 : (int)ms, on_timeout, s);
}

static void run(struct http_server *s)
{
	MHD_run(s->daemon);
	schedule(s);
}

void http_server_kick(struct http_server *s)
{
	if (s->kicked || s->closing)
		return;
	s->kicked = true;
	timer_start(&s->timeout, s->base, 0, on_timeout, s);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	run(arg);
}

/* The first that MHD tells of a request: its target as sent. */
static void *on_target(void *arg, const char *uri, struct MHD_Connection *connection)
{
	struct http_server *s = arg;
	struct http_request *r;
	OBJ_ALLOC(r, REQUEST_MAGIC);
	r->server = s;
	r->connection = connection;
	r->target = xstrdup(uri);
	r->path = xstrdup(uri);
	r->path[strcspn(r->path, "?")] = '\0';
	r->body.max = s->limits.body_bytes;
	LIST_INSERT_HEAD(&s->requests, r, next);
	return r;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **slot,
			 enum MHD_RequestTerminationCode code)
{
	(void)arg;
	(void)connection;
	(void)code;
	struct http_request *r = *slot;
	if (r == NULL)
		return;
	*slot = NULL;
	LIST_REMOVE(r, next);
	if (r->response != NULL)
		MHD_destroy_response(r->response);
	r->response = NULL;
	r->connection = NULL;
	r->suspended = false;
	if (r->stream == NULL || r->stream->ended) {
		http_request_unwatch(r);
		http_request_free(r);
		return;
	}
	/* The stream is still its owner's, who will end it. */
	r->stream->done = true;
	timer_stop(&r->stream->comment);
	http_request_tell_gone(r);
}

static void refuse_ending(struct http_request *r)
{
	http_reply_error(r, 503, "ending", "phony is shutting down; try again.");
}

static enum MHD_Result send_response(struct http_request *r)
{
	enum MHD_Result result = MHD_queue_response(r->connection, r->status, r->response);
	MHD_destroy_response(r->response);
	r->response = NULL;
	return result;
}

static bool announced_too_large(struct http_request *r)
{
	const char *text = http_header(r, "Content-Length");
	return text != NULL && strtoull(text, NULL, 10) > r->server->limits.body_bytes;
}

static enum MHD_Result refuse_too_large(struct http_request *r)
{
	char message[96];
	text_printf(message, sizeof message, "The body is over %zu bytes.", r->server->limits.body_bytes);
	r->handled = true;
	http_reply_error(r, 413, "too_large", message);
	return send_response(r);
}

static void has_arrived(struct http_request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct arrival *a = info ? info->socket_context : NULL;
	if (a != NULL)
		timer_stop(&a->deadline);
}

struct repeated {
	const char *name; /* of a header; NULL: none comes twice */
	unsigned seen, bodies;
};

/*
 * Of each of these one line has meaning: of several, a proxy before us may have gone by another
 * than we would (RFC 9110, 5.3).
 */
static enum MHD_Result count_line(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	static const char *const single[] = {
		"Host",           "Authorization",      "Content-Type", "Cookie",         "Origin",
		"Sec-Fetch-Site", "X-Twilio-Signature", "Upgrade",      "Mcp-Session-Id", "Last-Event-ID"};
	(void)kind;
	(void)value;
	struct repeated *r = arg;
	/* Where the body ends is told by one of them, once (RFC 9112, 6.3). */
	if (strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0)
		if (++r->bodies > 1)
			r->name = "Content-Length or Transfer-Encoding";
	for (unsigned i = 0; i < sizeof single / sizeof *single; i++) {
		if (strcasecmp(name, single[i]) != 0)
			continue;
		if (r->seen & 1u << i)
			r->name = single[i];
		r->seen |= 1u << i;
	}
	return MHD_YES;
}

static enum MHD_Result refuse(struct http_request *r, const char *message)
{
	r->handled = true;
	http_reply_error(r, 400, "invalid", message);
	return send_response(r);
}

/* The request means one thing to a proxy and another to us: true, and it is answered. */
static bool is_ambiguous(struct http_request *r, enum MHD_Result *result)
{
	struct repeated repeated = {0};
	char message[128];
	MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count_line, &repeated);
	if (repeated.name != NULL) {
		text_printf(message, sizeof message, "%s is given twice; once is allowed.", repeated.name);
		*result = refuse(r, message);
	} else if (!target_is_plain(r->target, strlen(r->target))) {
		*result = refuse(r, TARGET_ADVICE);
	} else {
		return false;
	}
	return true;
}

static enum MHD_Result on_access(void *arg, struct MHD_Connection *connection, const char *url,
				 const char *method, const char *version, const char *data, size_t *data_len,
				 void **slot)
{
	(void)connection;
	(void)url;
	(void)version;
	struct http_server *s = arg;
	struct http_request *r = *slot;
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (r->method[0] == '\0') {
		snprintf(r->method, sizeof r->method, "%s", method);
		enum MHD_Result refused;
		if (is_ambiguous(r, &refused))
			return refused;
		return announced_too_large(r) ? refuse_too_large(r) : MHD_YES;
	}
	if (*data_len > 0) {
		/* What is too long is read to its end, but not without end. */
		if (r->too_large || !buffer_append(&r->body, data, *data_len)) {
			r->too_large = true;
			r->body.len += *data_len;
			if (r->body.len > 16 * s->limits.body_bytes)
				return MHD_NO;
		}
		*data_len = 0;
		return MHD_YES;
	}
	if (r->too_large && !r->handled)
		return refuse_too_large(r);
	if (!r->handled) {
		r->handled = true;
		has_arrived(r);
		if (s->ending)
			refuse_ending(r);
		else
			s->handler(r, s->arg);
	}
	if (r->response != NULL)
		return send_response(r);
	r->suspended = true;
	MHD_suspend_connection(r->connection);
	return MHD_YES;
}

static void on_too_slow(void *arg)
{
	struct arrival *a = arg;
	shutdown(a->fd, SHUT_RDWR); /* MHD sees the end, and closes */
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **slot,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = arg;
	struct arrival *a = *slot;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		a = xcalloc(1, sizeof *a);
		a->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		timer_start(&a->deadline, s->base, (int)s->limits.whole_timeout_s * 1000, on_too_slow, a);
		*slot = a;
	} else if (a != NULL) {
		timer_stop(&a->deadline);
		free(a);
		*slot = NULL;
	}
}

void http_server_protect(struct http_server *s, const char *trusted, unsigned requests_per_s)
{
	OBJ_CHECK(s, SERVER_MAGIC);
	s->trusted = trusted;
	rate_free(&s->rate);
	s->rate = rate_new(requests_per_s);
}

struct http_server *http_server_new(struct event_base *base, const struct http_limits *limits,
				    http_handler_fn *handler, void *arg)
{
	struct http_server *s;
	OBJ_ALLOC(s, SERVER_MAGIC);
	s->base = base;
	s->limits = *limits;
	s->handler = handler;
	s->arg = arg;
	s->trusted = "";
	LIST_INIT(&s->requests);
	s->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access,
		s, MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_CONNECTION_TIMEOUT,
		limits->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits->header_bytes,
		MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_END);
	if (s->daemon == NULL)
		panic("libmicrohttpd does not start");
	int epoll_fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	s->readable = event_new(base, epoll_fd, EV_READ | EV_PERSIST, on_readable, s);
	if (s->readable == NULL || event_add(s->readable, NULL) != 0)
		panic("libevent refuses libmicrohttpd's descriptor");
	return s;
}

void http_server_adopt(struct http_server *s, int fd)
{
	OBJ_CHECK(s, SERVER_MAGIC);
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof address;
	if (getpeername(fd, (struct sockaddr *)&address, &len) != 0) {
		close(fd); /* it has gone already */
		return;
	}
	if (address.ss_family == AF_UNIX) {
		/* MHD takes Internet addresses only; a Unix-domain client is a local one. */
		struct sockaddr_in loopback = {.sin_family = AF_INET,
					       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		memcpy(&address, &loopback, sizeof loopback);
		len = sizeof loopback;
	}
	fd_set_nonblock(fd, true);
	if (MHD_add_connection(s->daemon, fd, (struct sockaddr *)&address, len) != MHD_YES)
		LOG_OUTSIDE(LOG_SEV_WARN, "a connection could not be served: %s", strerror(errno));
	http_server_kick(s);
}

unsigned http_server_in_work(const struct http_server *s)
{
	OBJ_CHECK(s, SERVER_MAGIC);
	unsigned count = 0;
	const struct http_request *r;
	LIST_FOREACH (r, &s->requests, next)
		count += r->stream == NULL;
	return count;
}

void http_server_free(struct http_server **ss)
{
	struct http_server *s = *ss;
	if (s == NULL)
		return;
	OBJ_CHECK(s, SERVER_MAGIC);
	s->ending = true;
	struct http_request *r, *following;
	for (r = LIST_FIRST(&s->requests); r != NULL; r = following) {
		following = LIST_NEXT(r, next);
		if (r->stream != NULL && !r->stream->ended)
			http_stream_end(r);
		else if (r->suspended && r->response == NULL)
			refuse_ending(r);
	}
	/* A last chance for answers that are ready. */
	MHD_run(s->daemon);
	MHD_run(s->daemon);
	s->closing = true;
	timer_stop(&s->timeout);
	event_free(s->readable);
	MHD_stop_daemon(s->daemon);
	rate_free(&s->rate);
	OBJ_FREE(s);
	*ss = NULL;
}
