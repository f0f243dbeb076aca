/*
 * A daemon to which voiced hands connections over: its socket in RUN_DIR, the
 * connections that come through it, and the questions of its other clients.
 */
#ifndef PHONY_DAEMON_HANDOFF_RECEIVER_H
#define PHONY_DAEMON_HANDOFF_RECEIVER_H

#include "lib/base/reply.h"
#include "lib/loop/loop.h"
#include "proto/messages.h"

#include <event2/event.h>

struct adopt;
struct daemon;

/* fn takes over each connection, its request unread. */
typedef void adopt_fn(int fd, void *arg);

/* Answers a question of another process, now or later; args is borrowed. */
typedef void adopt_verb_fn(void *arg, int verb, json_t *args, struct reply reply);

/* role: whose socket the listener is. verb may be NULL: no question is answered. */
struct adopt *adopt_open(struct daemon *d, int listener, unsigned role, adopt_fn *fn, adopt_verb_fn *verb,
			 void *arg);
/* Tells voiced, as often as it is connected; body is borrowed. */
void adopt_tell(struct adopt *a, enum message type, json_t *body);
/*
 * Another takes this place: nobody more is let in; who connects waits for the next
 * one. fn is called when the last connection has come, that is, voiced has gone.
 */
void adopt_leave(struct adopt *a, loop_fn *fn, void *arg);
void adopt_close(struct adopt **a);

#endif
