/*
 * The worker's two WebSockets, on libwebsockets: adopting the carrier's
 * connection, connecting to the provider, sending at once when the socket takes
 * it, a queue with a limit when it does not.
 */
#ifndef PHONY_CALLWORKER_NET_WEBSOCKET_H
#define PHONY_CALLWORKER_NET_WEBSOCKET_H

#include "callworker/net/event_loop.h"
#include "callworker/net/latency.h"
#include "lib/base/clock.h"

#include <stddef.h>

struct ws;

struct ws_handler {
	void (*open)(void *arg);
	/* A whole message; born is when its first byte was read. Borrowed, not terminated. */
	void (*text)(void *arg, const char *text, size_t len, struct mono_us born);
	/*
	 * The other side sent what is not spoken here (binary, too large). What comes
	 * after it is dropped; the owner closes.
	 */
	void (*broken)(void *arg, const char *why);
	/* Called once, also for a connection that never opened. The socket is gone. */
	void (*closed)(void *arg, const char *why);
};

enum { WS_QUEUE_MAX = 8 * 1024 * 1024 };

/* A server's end on a connection whose upgrade request is still unread; takes over fd. */
struct ws *ws_adopt(struct ws_loop *l, int fd, size_t message_max, const struct ws_handler *h, void *arg);

/*
 * Connects to a ws: or wss: URL, certificates verified as ws_prepare_tls says.
 * connection leads to its host, or is on its way there; it is taken over. The
 * process itself cannot make one. header is "Name: value" or NULL. On an immediate
 * failure closed() is called from the loop.
 */
struct ws *ws_connect(struct ws_loop *l, const char *url, int connection, const char *header,
		      size_t message_max, const struct ws_handler *h, void *arg);

/* The certificates that ws_connect trusts: the system's, and those of ca_file ("" for none). */
void ws_prepare_tls(struct ws_loop *l, const char *ca_file);

/*
 * Sends one message: head, len bytes of body, tail. `born` is when what it
 * carries came in: the delay to its writing goes into ws_delays. False: over
 * WS_QUEUE_MAX wait, or closed; the message is dropped.
 */
bool ws_send_between(struct ws *w, const char *head, const char *body, size_t len, const char *tail,
		     struct mono_us born);
bool ws_send(struct ws *w, const char *text, size_t len);

/* A clean close once the queue is written; closed() follows. */
void ws_close(struct ws *w, enum lws_close_status status, const char *reason);
/* The connection is as good as dead: it is dropped, and closed() follows with this reason. */
void ws_break(struct ws *w, const char *why);
/* No handler is called from now on; the socket is closed and freed by the loop. */
void ws_abandon(struct ws **w);

bool ws_is_open(const struct ws *w);
/* The code of the other side's close frame; 0 when none came. */
unsigned ws_peer_close_code(const struct ws *w);
/* The HTTP status of an upgrade that was refused; 0 when there is none. */
unsigned ws_http_status(const struct ws *w);
int ws_fd(const struct ws *w);
const struct latency *ws_delays(const struct ws *w);

#endif
