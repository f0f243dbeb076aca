/*
 * The front door: accepts on the TCP port, peeks at each request line and
 * passes the connection on, unread: to a callworker, to smsd or mcpd, or to
 * voiced's own HTTP server.
 */
#ifndef PHONY_VOICED_FRONTEND_ACCEPT_H
#define PHONY_VOICED_FRONTEND_ACCEPT_H

#include "voiced/frontend/connection_route.h"

#include <event2/event.h>

struct door;

struct door_handler {
	/* Each takes over fd. */
	void (*own)(void *arg, int fd);
	void (*other)(void *arg, enum route_kind to, int fd);
	void (*stream)(void *arg, const struct route *route, int fd);
};

struct door *door_open(struct event_base *base, int listener, const struct door_handler *h, void *arg);
/* Nobody more is let in; who is there may still say what they want. */
void door_shut(struct door *d);
/* Connections not yet decided on are closed. */
void door_close(struct door **d);

/*
 * Answers a connection whose request is still unread, {"status":"error",…}, and
 * closes it. Takes over fd.
 */
void door_refuse(int fd, int status, const char *code, const char *message);

#endif
