/*
 * One end of a connection between two of phony's processes: the hello, the
 * check of who may say what, questions and their answers, a queue to send.
 *
 * Free of any loop: the owner watches peer_fd(), calls peer_readable() and
 * peer_writable(), and asks peer_wants_write(). lib/daemon/peer_link.c does
 * this on libevent, callworker/control/voiced_link.c on libwebsockets.
 *
 * Nobody waits for the dead: each question ends in exactly one call of its
 * handler, with an error when the peer goes away or the time is up.
 */
#ifndef PHONY_PROTO_PEER_H
#define PHONY_PROTO_PEER_H

#include "lib/base/clock.h"
#include "proto/frame.h"

struct peer;

/* What went wrong with a question, as it travels: {code, message, httpStatus}. */
struct peer_error {
	const char *code;    /* "not_found", "not_live", … */
	const char *message; /* a sentence that says what to do */
	int http_status;
};

/*
 * The end of a question. On success reply is the answer and error is NULL; else
 * reply is NULL. Both are borrowed.
 */
typedef void peer_answer_fn(void *arg, json_t *reply, const struct peer_error *error);

struct peer_handler {
	/* The other side said hello. */
	void (*hello)(struct peer *p, enum role role, pid_t pid, void *arg);
	/*
	 * A message that this peer may send. The body is borrowed; fd (or -1) belongs
	 * to the handler. A question is answered now or later by peer_reply or
	 * peer_refuse with f->id. The handler must not free the peer; it may call
	 * peer_close.
	 */
	void (*message)(struct peer *p, const struct frame *f, int fd, void *arg);
	/* The connection has ended. Called once; the peer is freed later, from the loop. */
	void (*gone)(struct peer *p, const char *why, void *arg);
	/* Something was queued: watch for writability. May be NULL. */
	void (*want_write)(struct peer *p, void *arg);
};

/*
 * Takes over fd (non-blocking). `expected` has the bits of the roles that may be
 * at the other end. Queues our hello.
 */
struct peer *peer_new(int fd, enum role self, unsigned expected, const struct peer_handler *h, void *arg);
void peer_free(struct peer **p);

/* Ends the connection: gone() is called with this reason, unless it was already. */
void peer_close(struct peer *p, const char *why);

int peer_fd(const struct peer *p);
bool peer_is_open(const struct peer *p);
enum role peer_role(const struct peer *p); /* 0 before its hello */
pid_t peer_pid(const struct peer *p);
void *peer_arg(const struct peer *p);

void peer_readable(struct peer *p);
void peer_writable(struct peer *p);
bool peer_wants_write(const struct peer *p);

/*
 * Sends an event. The body is stolen, as in jansson's _new functions. fd (-1:
 * none) is stolen too: it is closed once it was passed, or with the peer. False
 * when the peer is gone or too slow (over 8 MiB wait for it: it is closed, and its
 * end told, from the loop, never from within this call), or when the message carries
 * a descriptor and there is none.
 */
bool peer_tell(struct peer *p, enum message type, json_t *body, int fd);

/* Asks; the handler is called exactly once, from the loop, never from within this call. */
void peer_ask(struct peer *p, enum message type, json_t *body, int timeout_ms, peer_answer_fn *answer,
	      void *arg);

void peer_reply(struct peer *p, const struct frame *question, json_t *body);
void peer_refuse(struct peer *p, const struct frame *question, const struct peer_error *error);

/* Milliseconds until peer_expire has something to do; -1: nothing is waited for. */
int peer_next_deadline_ms(const struct peer *p);
void peer_expire(struct peer *p);

#endif
