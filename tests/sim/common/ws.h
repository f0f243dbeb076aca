/*
 * A strict WebSocket (RFC 6455) over a bufferevent, either end. What breaks the
 * RFC is a violation; so is anything but text in data frames.
 */
#ifndef SIM_WS_H
#define SIM_WS_H

#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stddef.h>

struct sim_ws;

struct sim_ws_handler {
	void (*open)(void *arg);
	void (*text)(void *arg, const char *text, size_t len);
	/* code: of the close frame, or 1006. Told once; the socket is freed afterwards. */
	void (*closed)(void *arg, int code, const char *reason);
};

/* A client's end: bev is connecting; the request is complete but for the key. who: for violations. */
struct sim_ws *sim_ws_client(struct bufferevent *bev, const char *request_head, const char *who,
			     const struct sim_ws_handler *h, void *arg);
/* A server's end: the upgrade request was read, its key is given; 101 is sent. */
struct sim_ws *sim_ws_server(struct bufferevent *bev, const char *key, const char *who,
			     const struct sim_ws_handler *h, void *arg);

void sim_ws_text(struct sim_ws *w, const char *text, size_t len);
/* A data frame of this opcode in fragments of at most `part` bytes, a ping between them. */
void sim_ws_fragments(struct sim_ws *w, const char *text, size_t len, size_t part);
void sim_ws_binary(struct sim_ws *w, const char *bytes, size_t len);
void sim_ws_ping(struct sim_ws *w);
void sim_ws_close(struct sim_ws *w, int code, const char *reason);
/* Cuts the TCP connection with a reset. */
void sim_ws_reset(struct sim_ws *w);
void sim_ws_free(struct sim_ws *w);
/* HTTP status of a refused handshake; 0 while none. */
int sim_ws_status(const struct sim_ws *w);

#endif
