/* A peer (proto/peer.h) on a libevent loop, and the sockets that bring new ones. */
#ifndef PHONY_DAEMON_PEER_LINK_H
#define PHONY_DAEMON_PEER_LINK_H

#include "proto/peer.h"

#include <event2/event.h>

struct link;

/*
 * Takes over fd. The handler is called with `arg`; in its gone() the owner
 * forgets the link and calls link_free, which puts the end off to the loop.
 */
struct link *link_new(struct event_base *base, int fd, enum role self, unsigned expected,
		      const struct peer_handler *handler, void *arg);
struct peer *link_peer(struct link *l);
void link_free(struct link **l);

/* Accepts on a listening socket and hands each connection (non-blocking) over. */
struct link_listener;
typedef void link_accept_fn(int fd, void *arg);
struct link_listener *link_listen(struct event_base *base, int fd, link_accept_fn *fn, void *arg);
void link_listener_free(struct link_listener **l);

#endif
