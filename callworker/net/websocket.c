#include "callworker/net/websocket.h"

#include "callworker/net/preconnected_socket.h"
#include "callworker/net/websocket_inside.h"
#include "lib/base/buffer.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WS_MAGIC 0x77736f63u

enum {
	HANDSHAKE_TIMEOUT_S = 10,
	/* A provider that sends nothing is pinged, and left when it does not answer either. */
	PING_AFTER_S = 1,
	HANGUP_AFTER_S = 5,
};

struct outgoing {
	STAILQ_ENTRY(outgoing) next;
	size_t len;
	struct mono_us born;
	unsigned char bytes[]; /* LWS_PRE, then the message */
};

struct ws {
	unsigned magic, number;
	struct ws_loop *loop;
	LIST_ENTRY(ws) next; /* of a replay */
	struct lws *wsi;
	const struct ws_handler *handler; /* NULL: abandoned */
	void *arg;
	bool connecting, open, closing, close_told, broken;
	enum lws_close_status close_status;
	unsigned peer_close_code, http_status;
	char close_reason[96];
	char fault[256]; /* what is known of why it ended */
	char header_name[64];
	const char *header_value;
	char *header;
	struct buffer message; /* a message arriving in parts */
	size_t message_max;
	struct mono_us born;
	struct buffer scratch; /* LWS_PRE, then the message being made */
	STAILQ_HEAD(, outgoing) queue;
	size_t queued_bytes;
	struct latency delays;
	lws_sorted_usec_list_t later;
};

static int on_stream(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len);

/* The first is what an upgrade without a subprotocol gets. */
const struct lws_protocols ws_protocols[] = {
	{.name = "stream", .callback = on_stream, .rx_buffer_size = RECEIVE_CHUNK},
	{.name = "watch", .callback = ws_on_watch},
	{.name = NULL},
};

static const lws_retry_bo_t keepalive = {.secs_since_valid_ping = PING_AFTER_S,
					 .secs_since_valid_hangup = HANGUP_AFTER_S};

static void free_ws(struct ws *w)
{
	struct outgoing *o;
	while ((o = STAILQ_FIRST(&w->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&w->queue, next);
		free(o);
	}
	buffer_free(&w->message);
	buffer_free(&w->scratch);
	free(w->header);
	if (w->loop->context != NULL)
		lws_sul_schedule(w->loop->context, 0, &w->later, NULL, LWS_SET_TIMER_USEC_CANCEL);
	else
		LIST_REMOVE(w, next);
	OBJ_FREE(w);
}

/* The owner is about to be told: recorded, if that is wished. */
static void came(struct ws *w, const char *event, const char *text, size_t len, struct mono_us born)
{
	struct flight_socket e = {w->number, event, text, len, born, w->peer_close_code, w->http_status};
	flight_socket_in(w->loop->flight, &e);
}

static void tell_closed(struct ws *w, const char *why)
{
	if (w->wsi != NULL)
		lws_set_opaque_user_data(w->wsi, NULL);
	w->open = false;
	w->wsi = NULL;
	if (w->connecting && w->fault[0] == '\0')
		text_printf(w->fault, sizeof w->fault, "%s", why);
	if (w->connecting || w->close_told)
		return;
	w->close_told = true;
	if (w->handler == NULL) {
		free_ws(w);
		return;
	}
	why = w->fault[0] ? w->fault : why;
	came(w, "closed", why, strlen(why), mono_real());
	w->handler->closed(w->arg, why);
}

/* Writes one message; false when the connection broke. */
static bool write_now(struct ws *w, unsigned char *bytes, size_t len, struct mono_us born)
{
	if (lws_write(w->wsi, bytes, len, LWS_WRITE_TEXT) < (int)len)
		return false;
	if (born.us != 0)
		latency_add(&w->delays, mono_real().us - born.us);
	return true;
}

static int on_writable(struct ws *w)
{
	struct outgoing *o = STAILQ_FIRST(&w->queue);
	if (o != NULL) {
		STAILQ_REMOVE_HEAD(&w->queue, next);
		w->queued_bytes -= o->len;
		bool ok = write_now(w, o->bytes + LWS_PRE, o->len, o->born);
		free(o);
		if (!ok)
			return -1;
	}
	if (!STAILQ_EMPTY(&w->queue)) {
		lws_callback_on_writable(w->wsi);
	} else if (w->closing) {
		lws_close_reason(w->wsi, w->close_status, (unsigned char *)w->close_reason,
				 strlen(w->close_reason));
		return -1;
	}
	return 0;
}

static int break_off(struct ws *w, const char *why)
{
	w->broken = true;
	came(w, "broken", why, strlen(why), mono_real());
	w->handler->broken(w->arg, why);
	return 0;
}

static int on_receive(struct ws *w, const char *bytes, size_t len)
{
	if (w->closing || w->broken || w->handler == NULL)
		return 0;
	lws_validity_confirmed(w->wsi); /* it lives */
	if (lws_frame_is_binary(w->wsi))
		return break_off(w, "a binary frame came where only text is spoken");
	if (w->message.len == 0)
		w->born = mono_real();
	bool whole = lws_is_final_fragment(w->wsi) && lws_remaining_packet_payload(w->wsi) == 0;
	if (whole && w->message.len == 0) {
		came(w, "text", bytes, len, w->born);
		w->handler->text(w->arg, bytes, len, w->born);
		return 0;
	}
	if (w->message.len + len > w->message_max)
		return break_off(w, "a message over the size limit came");
	buffer_append(&w->message, bytes, len);
	if (whole) {
		struct buffer message = w->message;
		w->message = (struct buffer){0};
		came(w, "text", (char *)message.data, message.len, w->born);
		w->handler->text(w->arg, (char *)message.data, message.len, w->born);
		message.len = 0;
		if (w->message.data == NULL && message.cap <= RECEIVE_CHUNK * 16)
			w->message = message;
		else
			buffer_free(&message);
	}
	return 0;
}

static void note_peer_close(struct ws *w, const unsigned char *in, size_t len)
{
	unsigned code = len >= 2 ? (unsigned)(in[0] << 8 | in[1]) : 1005;
	w->peer_close_code = code;
	char reason[151] = "";
	if (len > 2)
		text_copy(reason, sizeof reason, (const char *)in + 2, len - 2);
	if (w->fault[0] == '\0')
		text_printf(w->fault, sizeof w->fault, "closed by the other side with code %u%s%s", code,
			    reason[0] ? ": " : "", reason);
}

static int append_header(struct ws *w, unsigned char **at, unsigned char *end)
{
	if (w->header == NULL)
		return 0;
	return lws_add_http_header_by_name(w->wsi, (unsigned char *)w->header_name,
					   (unsigned char *)w->header_value, (int)strlen(w->header_value), at,
					   end);
}

static int on_stream(struct lws *wsi, enum lws_callback_reasons why, void *user, void *in, size_t len)
{
	(void)user;
	struct ws *w = wsi ? lws_get_opaque_user_data(wsi) : NULL;
	if (w == NULL)
		return 0;
	OBJ_CHECK(w, WS_MAGIC);
	if (w->wsi == NULL)
		w->wsi = wsi; /* called from within the connect */
	switch (why) {
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		w->open = true;
		if (w->handler == NULL)
			return -1;
		came(w, "open", "", 0, mono_real());
		w->handler->open(w->arg);
		return 0;
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return on_receive(w, in, len);
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		return on_writable(w);
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: {
		unsigned char **at = in;
		return append_header(w, at, *at + len);
	}
	case LWS_CALLBACK_CLIENT_HTTP_REDIRECT:
		return -1;
	case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
		note_peer_close(w, in, len);
		return 0;
	case LWS_CALLBACK_HTTP:
		text_printf(w->fault, sizeof w->fault, "the request is no WebSocket upgrade");
		lws_return_http_status(wsi, 426, NULL);
		return -1;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		w->http_status = lws_http_client_http_response(wsi);
		if (w->http_status == 101)
			w->http_status = 0;
		tell_closed(w, in ? (char *)in : "no connection");
		return 0;
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_CLIENT_CLOSED:
		tell_closed(w, "the connection ended without a close frame");
		return 0;
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
	case LWS_CALLBACK_WSI_DESTROY:
		tell_closed(w, "the connection ended before the upgrade");
		return 0;
	default:
		return 0;
	}
}

static struct ws *new_ws(struct ws_loop *l, size_t message_max, const struct ws_handler *h, void *arg)
{
	struct ws *w;
	OBJ_ALLOC(w, WS_MAGIC);
	w->loop = l;
	w->number = ++l->sockets;
	w->handler = h;
	w->arg = arg;
	w->message_max = message_max;
	STAILQ_INIT(&w->queue);
	if (l->context == NULL)
		LIST_INSERT_HEAD(&l->imagined, w, next);
	return w;
}

static void on_failed_at_once(lws_sorted_usec_list_t *later)
{
	tell_closed(lws_container_of(later, struct ws, later), "no connection");
}

static void fail_at_once(struct ws *w)
{
	lws_sul_schedule(w->loop->context, 0, &w->later, on_failed_at_once, 1);
}

struct ws *ws_adopt(struct ws_loop *l, int fd, size_t message_max, const struct ws_handler *h, void *arg)
{
	struct ws *w = new_ws(l, message_max, h, arg);
	if (l->context == NULL) {
		close(fd);
		return w;
	}
	/* Else a small message waits for the acknowledgement of the one before, up to 40 ms. */
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	w->wsi = lws_adopt_socket_vhost(l->stream_vhost, fd);
	if (w->wsi != NULL)
		lws_set_opaque_user_data(w->wsi, w);
	else
		fail_at_once(w);
	return w;
}

/*
 * libwebsockets would load the system's whole bundle, 30 to 60 ms of CPU in
 * every worker; the hashed directory is read only as far as it is needed.
 */
static SSL_CTX *new_tls(const char *ca_file)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	if (tls == NULL)
		panic("OpenSSL has no context to give");
	SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
	SSL_CTX_load_verify_dir(tls, "/etc/ssl/certs");
	if (ca_file[0] != '\0' && SSL_CTX_load_verify_file(tls, ca_file) != 1)
		log_warn("TLS_CA_FILE cannot be read: %s", ca_file);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	return tls;
}

void ws_prepare_tls(struct ws_loop *l, const char *ca_file)
{
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.vhost_name = "agent",
		.protocols = ws_protocols,
		.provided_client_ssl_ctx = new_tls(ca_file),
		.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
		.timeout_secs = HANDSHAKE_TIMEOUT_S,
		.connect_timeout_secs = HANDSHAKE_TIMEOUT_S,
	};
	l->agent_vhost = lws_create_vhost(l->context, &info);
	if (l->agent_vhost == NULL || lws_init_vhost_client_ssl(&info, l->agent_vhost) != 0)
		panic("libwebsockets has no TLS vhost to give");
}

static struct lws_vhost *vhost_for(struct ws_loop *l, bool tls)
{
	if (tls && l->agent_vhost == NULL)
		ws_prepare_tls(l, "");
	return tls ? l->agent_vhost : l->stream_vhost;
}

static void set_header(struct ws *w, const char *header)
{
	if (header == NULL)
		return;
	w->header = xstrdup(header);
	size_t name = strcspn(header, ":");
	snprintf(w->header_name, sizeof w->header_name, "%.*s:", TEXT_SPAN(header, name));
	w->header_value = w->header + name + strspn(w->header + name, ": ");
}

struct ws *ws_connect(struct ws_loop *l, const char *url, int connection, const char *header,
		      size_t message_max, const struct ws_handler *h, void *arg)
{
	struct ws *w = new_ws(l, message_max, h, arg);
	flight_socket_out(l->flight, w->number, "connect", url, strcspn(url, "?"));
	if (l->context == NULL) {
		fd_close(&connection);
		return w;
	}
	set_header(w, header);
	char *copy = xstrdup(url);
	const char *protocol, *name, *rest;
	int port;
	bool parsed = lws_parse_uri(copy, &protocol, &name, &port, &rest) == 0;
	bool tls = parsed && strcmp(protocol, "wss") == 0;
	char *path = xasprintf("/%s", parsed ? rest : "");
	char *host = parsed ? xasprintf(port == (tls ? 443 : 80) ? "%s" : "%s:%d", name, port) : NULL;
	struct lws_client_connect_info info = {
		.context = l->context,
		.vhost = vhost_for(l, tls),
		.address = "127.0.0.1", /* nothing is looked up: the socket is given */
		.port = port,
		.path = path,
		.host = host,
		/* A redirect would take the key in the header to wherever it leads. */
		.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (tls ? LCCSCF_USE_SSL : 0),
		.local_protocol_name = "stream",
		.opaque_user_data = w,
		.retry_and_idle_policy = &keepalive,
	};
	w->connecting = true;
	socket_give(connection);
	w->wsi = parsed ? lws_client_connect_via_info(&info) : NULL;
	socket_take_back();
	w->connecting = false;
	if (w->wsi == NULL)
		fail_at_once(w);
	free(host);
	free(path);
	free(copy);
	return w;
}

static bool enqueue(struct ws *w, size_t len, struct mono_us born)
{
	if (w->queued_bytes + len > WS_QUEUE_MAX)
		return false;
	struct outgoing *o = xcalloc(1, sizeof *o + LWS_PRE + len);
	o->len = len;
	o->born = born;
	memcpy(o->bytes + LWS_PRE, w->scratch.data + LWS_PRE, len);
	STAILQ_INSERT_TAIL(&w->queue, o, next);
	w->queued_bytes += len;
	if (w->open)
		lws_callback_on_writable(w->wsi);
	return true;
}

/* Sends what the scratch holds. */
static bool commit(struct ws *w, size_t len, struct mono_us born)
{
	if (w->closing || !w->open)
		return false;
	flight_socket_out(w->loop->flight, w->number, "text", (char *)w->scratch.data + LWS_PRE, len);
	if (w->wsi == NULL)
		return w->loop->context == NULL;
	if (!STAILQ_EMPTY(&w->queue) || lws_partial_buffered(w->wsi))
		return enqueue(w, len, born);
	if (!write_now(w, w->scratch.data + LWS_PRE, len, born)) {
		text_printf(w->fault, sizeof w->fault, "writing failed: the connection is broken");
		lws_set_timeout(w->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
		return false;
	}
	return true;
}

bool ws_send_between(struct ws *w, const char *head, const char *body, size_t len, const char *tail,
		     struct mono_us born)
{
	OBJ_CHECK(w, WS_MAGIC);
	size_t head_len = strlen(head), tail_len = strlen(tail);
	w->scratch.len = 0;
	buffer_reserve(&w->scratch, LWS_PRE + head_len + len + tail_len);
	char *at = (char *)w->scratch.data + LWS_PRE;
	memcpy(at, head, head_len);
	memcpy(at + head_len, body, len);
	memcpy(at + head_len + len, tail, tail_len);
	return commit(w, head_len + len + tail_len, born);
}

bool ws_send(struct ws *w, const char *text, size_t len)
{
	return ws_send_between(w, "", text, len, "", (struct mono_us){0});
}

void ws_close(struct ws *w, enum lws_close_status status, const char *reason)
{
	OBJ_CHECK(w, WS_MAGIC);
	if (w->closing || (w->wsi == NULL && w->loop->context != NULL))
		return;
	if (w->handler != NULL)
		flight_socket_out(w->loop->flight, w->number, "close", reason, strlen(reason));
	w->closing = true;
	if (w->wsi == NULL)
		return;
	w->close_status = status;
	snprintf(w->close_reason, sizeof w->close_reason, "%s", reason);
	if (w->open)
		lws_callback_on_writable(w->wsi);
	else
		lws_set_timeout(w->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

void ws_break(struct ws *w, const char *why)
{
	OBJ_CHECK(w, WS_MAGIC);
	if (w->broken || (w->wsi == NULL && w->loop->context != NULL))
		return;
	flight_socket_out(w->loop->flight, w->number, "break", why, strlen(why));
	w->closing = w->broken = true;
	if (w->fault[0] == '\0')
		text_copy(w->fault, sizeof w->fault, why, strlen(why));
	if (w->wsi != NULL)
		lws_set_timeout(w->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

void ws_abandon(struct ws **ww)
{
	struct ws *w = *ww;
	if (w == NULL)
		return;
	*ww = NULL;
	w->handler = NULL;
	if (w->wsi == NULL)
		free_ws(w);
	else
		ws_close(w, LWS_CLOSE_STATUS_NORMAL, "");
}

unsigned ws_peer_close_code(const struct ws *w)
{
	OBJ_CHECK(w, WS_MAGIC);
	return w->peer_close_code;
}

unsigned ws_http_status(const struct ws *w)
{
	OBJ_CHECK(w, WS_MAGIC);
	return w->http_status;
}

bool ws_is_open(const struct ws *w)
{
	return w != NULL && w->open && !w->closing;
}

int ws_fd(const struct ws *w)
{
	OBJ_CHECK(w, WS_MAGIC);
	return w->wsi ? (int)lws_get_socket_fd(w->wsi) : -1;
}

const struct latency *ws_delays(const struct ws *w)
{
	OBJ_CHECK(w, WS_MAGIC);
	return &w->delays;
}

/* ---- a replay ---- */

/* What a connection can tell in its state. */
static bool can_come(const struct ws *w, const char *event)
{
	if (strcmp(event, "open") == 0)
		return !w->open && !w->close_told;
	if (strcmp(event, "closed") == 0)
		return !w->close_told;
	return w->open && !w->closing && !w->broken &&
	       (strcmp(event, "text") == 0 || strcmp(event, "broken") == 0);
}

bool ws_imagine_event(struct ws_loop *l, const struct flight_socket *e)
{
	struct ws *w;
	LIST_FOREACH (w, &l->imagined, next)
		if (w->number == e->socket)
			break;
	if (w == NULL || !can_come(w, e->event))
		return false;
	w->peer_close_code = e->close_code;
	w->http_status = e->http_status;
	if (strcmp(e->event, "open") == 0) {
		w->open = true;
		w->handler->open(w->arg);
	} else if (strcmp(e->event, "text") == 0) {
		w->handler->text(w->arg, e->text, e->len, e->born);
	} else if (strcmp(e->event, "broken") == 0) {
		w->broken = true;
		w->handler->broken(w->arg, e->text);
	} else {
		tell_closed(w, e->text);
	}
	return true;
}
