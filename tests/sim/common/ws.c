#include "tests/sim/common/ws.h"

#include "lib/base/base64.h"
#include "tests/sim/common/report.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, MESSAGE_MAX = 16 * 1024 * 1024 };

struct sim_ws {
	struct bufferevent *bev;
	bool client, open, close_sent, dead, nodelay;
	char who[80], accept[40];
	const struct sim_ws_handler *handler;
	void *arg;
	char *message;
	size_t message_len;
	bool in_message;
	int status;
};

static void accept_of(const char *key, char out[40])
{
	char text[128];
	unsigned char digest[SHA_DIGEST_LENGTH];
	int n = snprintf(text, sizeof text, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
	SHA1((unsigned char *)text, (size_t)n, digest);
	out[base64_encode(digest, sizeof digest, out)] = '\0';
}

static void send_frame(struct sim_ws *w, int opcode, bool final, const void *bytes, size_t len)
{
	if (w->dead)
		return;
	uint8_t head[14];
	size_t n = 2;
	struct evbuffer *out = bufferevent_get_output(w->bev);
	head[0] = (uint8_t)((final ? 0x80 : 0) | opcode);
	if (len < 126) {
		head[1] = (uint8_t)len;
	} else if (len < 65536) {
		head[1] = 126;
		head[2] = (uint8_t)(len >> 8);
		head[3] = (uint8_t)len;
		n = 4;
	} else {
		head[1] = 127;
		for (int i = 0; i < 8; i++)
			head[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
		n = 10;
	}
	if (!w->client) {
		evbuffer_add(out, head, n);
		evbuffer_add(out, bytes, len);
		return;
	}
	uint8_t mask[4];
	RAND_bytes(mask, 4);
	head[1] |= 0x80;
	memcpy(head + n, mask, 4);
	uint8_t *masked = malloc(len + 1);
	for (size_t i = 0; i < len; i++)
		masked[i] = ((const uint8_t *)bytes)[i] ^ mask[i & 3];
	evbuffer_add(out, head, n + 4);
	evbuffer_add(out, masked, len);
	free(masked);
}

static void end(struct sim_ws *w, int code, const char *reason)
{
	if (w->dead)
		return;
	w->dead = true;
	bufferevent_disable(w->bev, EV_READ);
	w->handler->closed(w->arg, code, reason);
}

static void on_close_frame(struct sim_ws *w, const uint8_t *data, size_t len)
{
	int code = len >= 2 ? data[0] << 8 | data[1] : 1005;
	char reason[126];
	snprintf(reason, sizeof reason, "%.*s", len > 2 ? (int)len - 2 : 0, (const char *)data + 2);
	if (!w->close_sent)
		send_frame(w, CLOSE, true, data, len);
	w->close_sent = true;
	end(w, code, reason);
}

static void on_data(struct sim_ws *w, int opcode, bool final, const uint8_t *data, size_t len)
{
	if (opcode == BINARY)
		violation(w->who, "a binary frame of %zu bytes", len);
	if ((opcode == 0) != w->in_message)
		violation(w->who, "a fragment out of order");
	w->message = realloc(w->message, w->message_len + len + 1);
	memcpy(w->message + w->message_len, data, len);
	w->message_len += len;
	w->message[w->message_len] = '\0';
	w->in_message = !final;
	if (!final)
		return;
	char *message = w->message;
	size_t message_len = w->message_len;
	w->message = NULL;
	w->message_len = 0;
	w->handler->text(w->arg, message, message_len);
	free(message);
}

/* One frame off the input; false when it is not whole. */
static bool take_frame(struct sim_ws *w, struct evbuffer *in)
{
	uint8_t head[14];
	size_t have = evbuffer_get_length(in), n = 2;
	if (have < 2)
		return false;
	evbuffer_copyout(in, head, have < 14 ? have : 14);
	uint64_t len = head[1] & 0x7f;
	bool masked = head[1] & 0x80, final = head[0] & 0x80;
	int opcode = head[0] & 0x0f;
	n += len == 126 ? 2 : len == 127 ? 8 : 0;
	if (have < n)
		return false;
	if (len >= 126) {
		size_t extra = n - 2;
		len = 0;
		for (size_t i = 0; i < extra; i++)
			len = len << 8 | head[2 + i];
	}
	if (masked == w->client)
		violation(w->who, "a frame that is %smasked", masked ? "" : "not ");
	if (head[0] & 0x70)
		violation(w->who, "reserved bits are set: no extension was agreed on");
	if (len > MESSAGE_MAX) {
		violation(w->who, "a frame of %llu bytes", (unsigned long long)len);
		end(w, 1006, "too large");
		return false;
	}
	size_t mask_at = n;
	n += masked ? 4 : 0;
	if (have < n + len)
		return false;
	uint8_t *frame = malloc(n + len + 1);
	evbuffer_remove(in, frame, n + len);
	uint8_t *data = frame + n;
	for (size_t i = 0; masked && i < len; i++)
		data[i] ^= frame[mask_at + (i & 3)];
	if (opcode >= 8 && (!final || len > 125))
		violation(w->who, "a control frame that is fragmented or too long");
	if (opcode == CLOSE)
		on_close_frame(w, data, len);
	else if (opcode == PING)
		send_frame(w, PONG, true, data, len);
	else if (opcode <= BINARY)
		on_data(w, opcode, final, data, len);
	else if (opcode != PONG)
		violation(w->who, "opcode %d", opcode);
	free(frame);
	return !w->dead;
}

/* False while the socket does not exist yet: a client's is made by the connect. */
static bool set_nodelay(struct bufferevent *bev)
{
	int on = 1, fd = bufferevent_getfd(bev);
	return fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
}

/* The answer to our upgrade; false when it is not whole or refused. */
static bool take_answer(struct sim_ws *w, struct evbuffer *in)
{
	struct evbuffer_ptr at = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	if (at.pos < 0)
		return false;
	char *head = malloc((size_t)at.pos + 5), expected[80];
	evbuffer_remove(in, head, (size_t)at.pos + 4);
	head[at.pos + 4] = '\0';
	w->status = atoi(head + strcspn(head, " "));
	snprintf(expected, sizeof expected, "ccept: %s\r\n", w->accept);
	if (w->status == 101 && strstr(head, expected) == NULL)
		violation(w->who, "Sec-WebSocket-Accept is wrong");
	if (w->status == 101 &&
	    (strcasestr(head, "sec-websocket-extensions") || strcasestr(head, "sec-websocket-protocol")))
		violation(w->who, "an extension or a subprotocol was selected that was not offered");
	free(head);
	if (w->status != 101) {
		end(w, 1006, "the upgrade was refused");
		return false;
	}
	w->open = true;
	if (!w->nodelay)
		w->nodelay = set_nodelay(w->bev);
	w->handler->open(w->arg);
	return !w->dead;
}

static void on_readable(struct bufferevent *bev, void *arg)
{
	struct sim_ws *w = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	if (!w->open && !take_answer(w, in))
		return;
	while (!w->dead && take_frame(w, in))
		;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	struct sim_ws *w = arg;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		end(w, 1006,
		    what & BEV_EVENT_ERROR ? "the connection was reset" : "the connection was closed");
}

static struct sim_ws *new_ws(struct bufferevent *bev, bool client, const char *who,
			     const struct sim_ws_handler *h, void *arg)
{
	struct sim_ws *w = calloc(1, sizeof *w);
	w->bev = bev;
	w->client = client;
	w->handler = h;
	w->arg = arg;
	snprintf(w->who, sizeof w->who, "%s", who);
	bufferevent_setcb(bev, on_readable, NULL, on_event, w);
	w->nodelay = set_nodelay(bev);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	return w;
}

struct sim_ws *sim_ws_client(struct bufferevent *bev, const char *request_head, const char *who,
			     const struct sim_ws_handler *h, void *arg)
{
	struct sim_ws *w = new_ws(bev, true, who, h, arg);
	unsigned char nonce[16];
	char key[32];
	RAND_bytes(nonce, sizeof nonce);
	key[base64_encode(nonce, sizeof nonce, key)] = '\0';
	accept_of(key, w->accept);
	evbuffer_add_printf(bufferevent_get_output(bev), "%sSec-WebSocket-Key: %s\r\n\r\n", request_head,
			    key);
	return w;
}

struct sim_ws *sim_ws_server(struct bufferevent *bev, const char *key, const char *who,
			     const struct sim_ws_handler *h, void *arg)
{
	struct sim_ws *w = new_ws(bev, false, who, h, arg);
	accept_of(key, w->accept);
	w->open = true;
	evbuffer_add_printf(
		bufferevent_get_output(bev),
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: %s\r\n\r\n",
		w->accept);
	return w;
}

void sim_ws_text(struct sim_ws *w, const char *text, size_t len)
{
	send_frame(w, TEXT, true, text, len);
}

void sim_ws_fragments(struct sim_ws *w, const char *text, size_t len, size_t part)
{
	for (size_t at = 0; at < len; at += part) {
		size_t n = len - at < part ? len - at : part;
		send_frame(w, at == 0 ? TEXT : 0, at + n == len, text + at, n);
		if (at == 0 && n < len)
			sim_ws_ping(w);
	}
}

void sim_ws_binary(struct sim_ws *w, const char *bytes, size_t len)
{
	send_frame(w, BINARY, true, bytes, len);
}

void sim_ws_ping(struct sim_ws *w)
{
	send_frame(w, PING, true, "?", 1);
}

void sim_ws_close(struct sim_ws *w, int code, const char *reason)
{
	uint8_t data[126] = {(uint8_t)(code >> 8), (uint8_t)code};
	size_t len = strlen(reason);
	if (w->close_sent || w->dead)
		return;
	memcpy(data + 2, reason, len);
	send_frame(w, CLOSE, true, data, len + 2);
	w->close_sent = true;
}

void sim_ws_reset(struct sim_ws *w)
{
	struct linger hard = {1, 0};
	setsockopt(bufferevent_getfd(w->bev), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	end(w, 1006, "reset by the simulator");
}

/* What was written, a close frame say, is flushed before the descriptor goes. */
static void on_flushed(struct bufferevent *bev, void *arg)
{
	(void)arg;
	if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		bufferevent_free(bev);
}

static void on_flush_event(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		bufferevent_free(bev);
}

void sim_ws_free(struct sim_ws *w)
{
	if (w == NULL)
		return;
	struct linger linger = {0};
	socklen_t len = sizeof linger;
	getsockopt(bufferevent_getfd(w->bev), SOL_SOCKET, SO_LINGER, &linger, &len);
	if (linger.l_onoff || evbuffer_get_length(bufferevent_get_output(w->bev)) == 0) {
		bufferevent_free(w->bev);
	} else {
		bufferevent_setcb(w->bev, NULL, on_flushed, on_flush_event, NULL);
		bufferevent_disable(w->bev, EV_READ);
	}
	free(w->message);
	free(w);
}

int sim_ws_status(const struct sim_ws *w)
{
	return w->status;
}
