#include "lib/http/server.h"

#include "lib/base/buffer.h"
#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/http/rate.h"
#include "lib/http/source.h"
#include "lib/loop/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_MAGIC 0x68747370u
#define REQUEST_MAGIC 0x68747271u

enum { HEADERS_MAX = 4 };

struct http_request {
	unsigned magic;
	LIST_ENTRY(http_request) next;
	struct http_server *server;
	struct MHD_Connection *connection;
	char *target, *path;
	char method[16];
	struct buffer body;
	bool too_large, handled, suspended;
	unsigned status;
	struct MHD_Response *response;
	char *headers[HEADERS_MAX]; /* further ones of the answer */
	unsigned header_count;
	http_gone_fn *gone;
	void *gone_arg;
	struct event *closed; /* the client's end of the connection */
	struct stream *stream;
};

/* Server-sent events on their way. Freed when it was ended and the connection is done. */
struct stream {
	struct buffer out;
	struct timer comment;
	bool ended, done;
};

struct http_server {
	unsigned magic;
	struct event_base *base;
	struct http_limits limits;
	http_handler_fn *handler;
	void *arg;
	struct MHD_Daemon *daemon;
	struct event *readable;
	struct timer timeout;
	bool kicked, closing;
	LIST_HEAD(, http_request) requests;
	const char *trusted;
	struct rate *rate;
};

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

/* MHD has work that its descriptor does not show: run it soon, from the loop. */
static void kick(struct http_server *s)
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

static void free_request(struct http_request *r)
{
	if (r->stream != NULL) {
		timer_stop(&r->stream->comment);
		buffer_free(&r->stream->out);
		free(r->stream);
	}
	buffer_free(&r->body);
	for (unsigned i = 0; i < r->header_count; i++)
		free(r->headers[i]);
	free(r->target);
	free(r->path);
	OBJ_FREE(r);
}

static void unwatch(struct http_request *r)
{
	if (r->closed != NULL)
		event_free(r->closed);
	r->closed = NULL;
	r->gone = NULL;
}

static void tell_gone(struct http_request *r)
{
	http_gone_fn *fn = r->gone;
	unwatch(r);
	if (fn != NULL)
		fn(r->gone_arg);
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
		unwatch(r);
		free_request(r);
		return;
	}
	/* The stream is still its owner's, who will end it. */
	r->stream->done = true;
	timer_stop(&r->stream->comment);
	tell_gone(r);
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
	snprintf(message, sizeof message, "The body is over %zu bytes.", r->server->limits.body_bytes);
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

struct lengths {
	unsigned lengths, encodings;
};

static enum MHD_Result count_lengths(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	(void)value;
	struct lengths *l = arg;
	l->lengths += strcasecmp(name, "Content-Length") == 0;
	l->encodings += strcasecmp(name, "Transfer-Encoding") == 0;
	return MHD_YES;
}

/* Where the body ends is told in two ways: a proxy before us may see another end (RFC 9112, 6.3). */
static bool is_ambiguous(const struct http_request *r)
{
	struct lengths l = {0, 0};
	MHD_get_connection_values(r->connection, MHD_HEADER_KIND, count_lengths, &l);
	return l.lengths + l.encodings > 1;
}

static enum MHD_Result refuse_ambiguous(struct http_request *r)
{
	r->handled = true;
	http_reply_error(r, 400, "invalid", "The length of the body is told twice.");
	return send_response(r);
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
		if (is_ambiguous(r))
			return refuse_ambiguous(r);
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
		log_warn("a connection could not be served: %s", strerror(errno));
	kick(s);
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
	struct http_request *r, *following;
	for (r = LIST_FIRST(&s->requests); r != NULL; r = following) {
		following = LIST_NEXT(r, next);
		if (r->stream != NULL && !r->stream->ended)
			http_stream_end(r);
		else if (r->suspended && r->response == NULL)
			http_reply_error(r, 503, "ending", "phony is shutting down; try again.");
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

const char *http_method(const struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return r->method;
}

const char *http_target(const struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return r->target;
}

const char *http_path(const struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return r->path;
}

const char *http_query(const struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	const char *mark = strchr(r->target, '?');
	return mark ? mark + 1 : "";
}

const char *http_body(const struct http_request *r, size_t *len)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	*len = r->body.len;
	return r->body.data ? (const char *)r->body.data : "";
}

const char *http_header(const struct http_request *r, const char *name)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

static const struct sockaddr *peer_of(const struct http_request *r)
{
	return MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
}

static void find_source(const struct http_request *r, char out[SOURCE_SIZE])
{
	source_find(peer_of(r), http_header(r, "X-Forwarded-For"), r->server->trusted, out);
}

bool http_from_loopback(const struct http_request *r)
{
	char source[SOURCE_SIZE];
	OBJ_CHECK(r, REQUEST_MAGIC);
	find_source(r, source);
	/* What came by a proxy came from elsewhere, whether or not that proxy is trusted to say from where.
	 */
	bool proxied = http_header(r, "X-Forwarded-For") != NULL || http_header(r, "Forwarded") != NULL ||
		       http_header(r, "Via") != NULL || http_header(r, "X-Real-IP") != NULL;
	return !proxied && source_is_loopback(source);
}

bool http_is_tls(const struct http_request *r)
{
	char peer[SOURCE_SIZE], source[SOURCE_SIZE];
	const char *scheme = http_header(r, "X-Forwarded-Proto");
	OBJ_CHECK(r, REQUEST_MAGIC);
	source_find(peer_of(r), NULL, "", peer);
	source_find(peer_of(r), "192.0.2.1", r->server->trusted,
		    source); /* changes only if the peer is trusted */
	return scheme != NULL && strcmp(scheme, "https") == 0 && strcmp(peer, source) != 0;
}

bool http_cookie(const struct http_request *r, const char *name, char *out, size_t size)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	const char *value = MHD_lookup_connection_value(r->connection, MHD_COOKIE_KIND, name);
	return value != NULL && (size_t)snprintf(out, size, "%s", value) < size;
}

bool http_rate_take(struct http_request *r, unsigned cost)
{
	char source[SOURCE_SIZE];
	OBJ_CHECK(r, REQUEST_MAGIC);
	find_source(r, source);
	return r->server->rate == NULL || http_from_loopback(r) ||
	       rate_take(r->server->rate, source, cost, mono_now());
}

static void on_closed(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tell_gone(arg);
}

void http_on_gone(struct http_request *r, http_gone_fn *fn, void *arg)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	unwatch(r);
	r->gone = fn;
	r->gone_arg = arg;
	if (fn == NULL || r->connection == NULL)
		return;
	/* MHD does not look at a connection that it has suspended. */
	int fd = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	r->closed = event_new(r->server->base, fd, EV_CLOSED, on_closed, r);
	if (r->closed == NULL || event_add(r->closed, NULL) != 0)
		panic("libevent refuses a connection");
}

static void add_header(struct MHD_Response *response, const char *line)
{
	char name[64];
	const char *colon = strchr(line, ':');
	size_t len = colon ? (size_t)(colon - line) : 0;
	if (len == 0 || len >= sizeof name)
		return;
	memcpy(name, line, len);
	name[len] = '\0';
	MHD_add_response_header(response, name, colon + 1 + strspn(colon + 1, " "));
}

/* What keeps a browser from making more of an answer than it is. */
static void add_safety(struct MHD_Response *response, const char *content_type)
{
	static const char page[] =
		"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
		"media-src 'self' blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
		"form-action 'self'; frame-ancestors 'none'";
	static const char data[] = "default-src 'none'; frame-ancestors 'none'";
	bool html = content_type != NULL && strncmp(content_type, "text/html", 9) == 0;
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "X-Frame-Options", "DENY");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	if (content_type != NULL) /* not on a 304: it would take the place of the page's own */
		MHD_add_response_header(response, "Content-Security-Policy", html ? page : data);
	if (content_type != NULL && strcmp(content_type, "application/json") == 0)
		MHD_add_response_header(response, "Cache-Control", "no-store");
}

/* The answer is ready: r->response is it. */
static void answer(struct http_request *r, unsigned status, const char *content_type, const char *extra)
{
	if (r->response == NULL)
		panic("out of memory for an answer");
	r->status = status;
	MHD_add_response_header(r->response, "Connection", "close");
	add_safety(r->response, content_type);
	if (content_type != NULL)
		MHD_add_response_header(r->response, "Content-Type", content_type);
	if (extra != NULL)
		add_header(r->response, extra);
	for (unsigned i = 0; i < r->header_count; i++)
		add_header(r->response, r->headers[i]);
	if (r->stream == NULL)
		unwatch(r);
	if (r->suspended) {
		r->suspended = false;
		MHD_resume_connection(r->connection);
		kick(r->server);
	}
}

void http_header_add(struct http_request *r, const char *line)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (r->header_count == HEADERS_MAX)
		panic("too many headers for an answer");
	r->headers[r->header_count++] = xstrdup(line);
}

void http_reply(struct http_request *r, unsigned status, const char *content_type, const char *body,
		size_t len, const char *extra)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (r->response != NULL)
		panic("a second answer to %s %s", r->method, r->path);
	r->response = MHD_create_response_from_buffer(len, (void *)(body ? body : ""), MHD_RESPMEM_MUST_COPY);
	answer(r, status, content_type, extra);
}

void http_reply_file(struct http_request *r, const char *content_type, int fd, size_t len)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (r->response != NULL)
		panic("a second answer to %s %s", r->method, r->path);
	r->response = MHD_create_response_from_fd(len, fd);
	answer(r, 200, content_type, NULL);
}

void http_reply_json(struct http_request *r, unsigned status, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);
	json_decref(value);
	if (text == NULL)
		panic("an answer that is no JSON");
	http_reply(r, status, "application/json", text, strlen(text), NULL);
	free(text);
}

void http_reply_error(struct http_request *r, unsigned status, const char *code, const char *message)
{
	json_t *text = json_string(message);
	json_t *value = json_pack("{s:s, s:s, s:o}", "status", "error", "code", code, "message",
				  text ? text : json_string("(not UTF-8)"));
	char *body = json_dumps(value, JSON_COMPACT);
	json_decref(value);
	http_reply(r, status, "application/json", body, strlen(body),
		   status == 503   ? "Retry-After: 5"
		   : status == 401 ? "WWW-Authenticate: Bearer"
				   : NULL);
	free(body);
}

/* ---- server-sent events ---- */

enum { COMMENT_MS = 15000, WAITING_MAX = 4 * 1024 * 1024 };

static void wake(struct http_request *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	MHD_resume_connection(r->connection);
	kick(r->server);
}

static ssize_t read_stream(void *arg, uint64_t position, char *out, size_t max)
{
	(void)position;
	struct http_request *r = arg;
	struct stream *s = r->stream;
	size_t len = s->out.len < max ? s->out.len : max;
	if (len == 0 && s->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (len == 0) {
		r->suspended = true;
		MHD_suspend_connection(r->connection);
		return 0;
	}
	memcpy(out, s->out.data, len);
	buffer_consume(&s->out, len);
	return (ssize_t)len;
}

static void on_comment(void *arg)
{
	struct http_request *r = arg;
	buffer_append_text(&r->stream->out, ":\n\n");
	wake(r);
	timer_start(&r->stream->comment, r->server->base, COMMENT_MS, on_comment, r);
}

void http_stream_begin(struct http_request *r, const char *extra)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (r->response != NULL || r->stream != NULL)
		panic("a second answer to %s %s", r->method, r->path);
	r->stream = xcalloc(1, sizeof *r->stream);
	r->stream->out.max = WAITING_MAX;
	r->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_stream, r, NULL);
	timer_start(&r->stream->comment, r->server->base, COMMENT_MS, on_comment, r);
	if (r->response == NULL)
		panic("out of memory for an answer");
	MHD_add_response_header(r->response, "Cache-Control", "no-cache");
	MHD_add_response_header(r->response, "X-Accel-Buffering", "no");
	answer(r, 200, "text/event-stream", extra);
}

bool http_is_stream(const struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return r->stream != NULL;
}

bool http_stream_event(struct http_request *r, const char *id, const char *name, const char *data)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	struct stream *s = r->stream;
	if (s->done)
		return false;
	char *text = xasprintf("%s%s%s%s%s%sdata: %s\n\n", id ? "id: " : "", id ? id : "", id ? "\n" : "",
			       name ? "event: " : "", name ? name : "", name ? "\n" : "", data);
	bool fits = buffer_append_text(&s->out, text);
	free(text);
	if (!fits) {
		/* It does not read: it may come again. Told from the loop, not from here. */
		if (r->closed != NULL)
			event_active(r->closed, EV_CLOSED, 0);
		return false;
	}
	wake(r);
	return true;
}

void http_stream_end(struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	unwatch(r);
	r->stream->ended = true;
	timer_stop(&r->stream->comment);
	if (r->stream->done)
		free_request(r);
	else
		wake(r);
}
