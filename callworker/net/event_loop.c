#include "callworker/net/event_loop.h"

#include "callworker/net/websocket_inside.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define WATCH_MAGIC 0x77617463u

enum {
	HEADER_MAX = 16 * 1024,
	HANDSHAKE_TIMEOUT_S = 10,
};

struct ws_watch {
	unsigned magic;
	struct lws *wsi; /* NULL in a replay */
	struct ws_loop *loop;
	const struct ws_watch_handler *handler;
	void *arg;
};

static void on_lws_log(int level, const char *line)
{
	if (level & LLL_ERR)
		log_warn("libwebsockets: %.*s", TEXT_SPAN(line, strcspn(line, "\n")));
	else
		log_debug("libwebsockets: %.*s", TEXT_SPAN(line, strcspn(line, "\n")));
}

struct ws_loop *ws_loop_new(void)
{
	struct ws_loop *l = xcalloc(1, sizeof *l);
	lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.pt_serv_buf_size = RECEIVE_CHUNK,
		.max_http_header_data = HEADER_MAX,
		.max_http_header_pool = 2,
		.fd_limit_per_thread = 16,
		.timeout_secs = HANDSHAKE_TIMEOUT_S,
		.connect_timeout_secs = HANDSHAKE_TIMEOUT_S,
	};
	l->context = lws_create_context(&info);
	if (l->context == NULL)
		panic("libwebsockets does not start");
	struct lws_context_creation_info vhost = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.vhost_name = "stream",
		.protocols = ws_protocols,
		.options = LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
		.timeout_secs = HANDSHAKE_TIMEOUT_S,
	};
	l->stream_vhost = lws_create_vhost(l->context, &vhost);
	if (l->stream_vhost == NULL)
		panic("libwebsockets has no vhost to give");
	return l;
}

struct ws_loop *ws_imagine(struct flight *flight)
{
	struct ws_loop *l = xcalloc(1, sizeof *l);
	l->flight = flight;
	l->voiced = -1;
	return l;
}

void ws_loop_on_voiced_back(struct ws_loop *l, void (*fn)(void *arg, int fd), void *arg)
{
	l->voiced_back = fn;
	l->voiced_back_arg = arg;
}

int ws_imagine_voiced(struct ws_loop *l)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
		panic("no pair of sockets to be had");
	fd_close(&l->voiced);
	l->voiced = ends[1];
	return ends[0];
}

void ws_loop_record(struct ws_loop *l, struct flight *flight)
{
	flight_free(&l->flight);
	l->flight = flight;
}

struct flight *ws_loop_flight(const struct ws_loop *l)
{
	return l->flight;
}

void ws_loop_run(struct ws_loop *l)
{
	while (!l->stopping && lws_service(l->context, 0) >= 0)
		;
}

void ws_loop_stop(struct ws_loop *l)
{
	l->stopping = true;
	if (l->context != NULL)
		lws_cancel_service(l->context);
}

void ws_loop_free(struct ws_loop **l)
{
	if ((*l)->context != NULL)
		lws_context_destroy((*l)->context);
	else
		fd_close(&(*l)->voiced);
	flight_free(&(*l)->flight);
	free(*l);
	*l = NULL;
}

/* ---- timers ---- */

static void on_sul(lws_sorted_usec_list_t *sul)
{
	struct ws_timer *t = (struct ws_timer *)sul;
	flight_timer(t->loop->flight, t->number);
	t->fn(t->arg);
}

void ws_timer_start(struct ws_loop *l, struct ws_timer *t, int ms, void (*fn)(void *), void *arg)
{
	ws_timer_stop(l, t);
	t->fn = fn;
	t->arg = arg;
	t->loop = l;
	t->number = ++l->timers;
	if (l->context != NULL)
		lws_sul_schedule(l->context, 0, &t->sul, on_sul, (lws_usec_t)ms * LWS_US_PER_MS + 1);
	else
		LIST_INSERT_HEAD(&l->pending, t, next);
}

void ws_timer_stop(struct ws_loop *l, struct ws_timer *t)
{
	if (l->context != NULL)
		lws_sul_schedule(l->context, 0, &t->sul, NULL, LWS_SET_TIMER_USEC_CANCEL);
	else if (t->loop != NULL)
		LIST_REMOVE(t, next);
	t->loop = NULL;
}

bool ws_imagine_timer(struct ws_loop *l, unsigned number)
{
	struct ws_timer *t;
	LIST_FOREACH (t, &l->pending, next)
		if (t->number == number) {
			ws_timer_stop(l, t);
			t->fn(t->arg);
			return true;
		}
	return false;
}

/* ---- watched descriptors ---- */

int ws_on_watch(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len)
{
	(void)user;
	(void)in;
	(void)len;
	struct ws_watch *w = lws_get_opaque_user_data(wsi);
	if (w == NULL)
		return why == LWS_CALLBACK_RAW_RX_FILE || why == LWS_CALLBACK_RAW_WRITEABLE_FILE ? -1 : 0;
	OBJ_CHECK(w, WATCH_MAGIC);
	if (why == LWS_CALLBACK_RAW_RX_FILE)
		w->handler->readable(w->arg);
	else if (why == LWS_CALLBACK_RAW_WRITEABLE_FILE)
		w->handler->writable(w->arg);
	/* The handler may have freed the watch. */
	return lws_get_opaque_user_data(wsi) == NULL ? -1 : 0;
}

struct ws_watch *ws_watch_new(struct ws_loop *l, int fd, const struct ws_watch_handler *h, void *arg)
{
	struct ws_watch *w;
	OBJ_ALLOC(w, WATCH_MAGIC);
	w->handler = h;
	w->arg = arg;
	if (l->context == NULL) {
		l->watch = w;
		w->loop = l;
		return w;
	}
	lws_sock_file_fd_type copy = {.filefd = fcntl(fd, F_DUPFD_CLOEXEC, 3)};
	w->wsi = lws_adopt_descriptor_vhost(l->stream_vhost, LWS_ADOPT_RAW_FILE_DESC, copy, "watch", NULL);
	if (w->wsi == NULL)
		panic("libwebsockets refuses a descriptor");
	lws_set_opaque_user_data(w->wsi, w);
	return w;
}

void ws_watch_want_write(struct ws_watch *w)
{
	OBJ_CHECK(w, WATCH_MAGIC);
	if (w->wsi != NULL)
		lws_callback_on_writable(w->wsi);
}

void ws_watch_free(struct ws_watch **ww)
{
	struct ws_watch *w = *ww;
	if (w == NULL)
		return;
	OBJ_CHECK(w, WATCH_MAGIC);
	if (w->wsi != NULL) {
		lws_set_opaque_user_data(w->wsi, NULL);
		lws_set_timeout(w->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	} else {
		w->loop->watch = NULL;
	}
	OBJ_FREE(w);
	*ww = NULL;
}

void ws_imagine_readable(struct ws_loop *l)
{
	if (l->watch != NULL)
		l->watch->handler->readable(l->watch->arg);
	if (l->watch != NULL)
		l->watch->handler->writable(l->watch->arg);
}
