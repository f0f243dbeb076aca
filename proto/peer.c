#include "proto/peer.h"

#include "lib/base/fd.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define PEER_MAGIC 0x70656572u

enum { QUEUE_MAX_BYTES = 8 * 1024 * 1024, READ_SIZE = 16 * 1024, FDS_MAX = 16 };

struct outgoing {
	STAILQ_ENTRY(outgoing) next;
	struct buffer bytes;
	size_t sent;
	int fd;
};

struct question {
	LIST_ENTRY(question) next;
	uint64_t id;
	struct mono_us deadline;
	peer_answer_fn *answer;
	void *arg;
};

LIST_HEAD(question_list, question);

struct peer {
	unsigned magic;
	int fd;
	enum role self, role;
	unsigned expected;
	pid_t pid;
	const struct peer_handler *handler;
	void *arg;
	struct buffer in;
	int fds[FDS_MAX]; /* received, for frames not yet whole */
	unsigned fd_count;
	STAILQ_HEAD(, outgoing) out;
	size_t out_bytes;
	struct question_list questions;
	uint64_t last_id;
	bool gone_told;
	bool too_slow;    /* it takes nothing more, and is closed from the loop */
	unsigned version; /* of the other side: ours, until its hello tells */
};

static void drop_outgoing(struct peer *p)
{
	struct outgoing *o;
	while ((o = STAILQ_FIRST(&p->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->out, next);
		fd_close(&o->fd);
		buffer_free(&o->bytes);
		free(o);
	}
	p->out_bytes = 0;
}

static bool enqueue(struct peer *p, const struct frame *f, int fd)
{
	struct outgoing *o = xcalloc(1, sizeof *o);
	o->fd = fd;
	bool open = p->fd >= 0 && !p->too_slow;
	if (!open || !frame_encode(&o->bytes, f)) {
		if (open)
			log_error("%s to %s is too long to send", message_name(f->type), role_name(p->role));
		buffer_free(&o->bytes);
		fd_close(&o->fd);
		free(o);
		return false;
	}
	STAILQ_INSERT_TAIL(&p->out, o, next);
	p->out_bytes += o->bytes.len;
	/* Whoever tells it may be in the middle of a list that it is in: its end is told later. */
	p->too_slow = p->out_bytes > QUEUE_MAX_BYTES;
	if (p->too_slow)
		drop_outgoing(p);
	if (p->handler->want_write)
		p->handler->want_write(p, p->arg);
	return !p->too_slow;
}

struct peer *peer_new(int fd, enum role self, unsigned expected, const struct peer_handler *h, void *arg)
{
	struct peer *p;
	OBJ_ALLOC(p, PEER_MAGIC);
	p->fd = fd;
	p->self = self;
	p->expected = expected;
	p->version = PROTO_VERSION;
	p->handler = h;
	p->arg = arg;
	p->in.max = FRAME_HEADER_LEN + FRAME_PAYLOAD_MAX + READ_SIZE;
	STAILQ_INIT(&p->out);
	LIST_INIT(&p->questions);
	fd_set_nonblock(fd, true);
	json_t *body = json_build("{s:i, s:s, s:i}", "version", PROTO_VERSION, "role", role_name(self), "pid",
				  (int)getpid());
	struct frame hello = {MSG_HELLO, 0, 0, body};
	enqueue(p, &hello, -1);
	json_decref(body);
	return p;
}

static void end_question(struct question *q, json_t *reply, const struct peer_error *error)
{
	LIST_REMOVE(q, next);
	q->answer(q->arg, reply, error);
	free(q);
}

/*
 * Ends the questions whose deadline is at or before deadline_us. An answer's handler may close the
 * peer or ask again: they are taken off the peer's list first, so that no handler can end one of
 * them twice, and what is asked meanwhile waits for the next time.
 */
static void end_questions(struct peer *p, int64_t deadline_us, const struct peer_error *error)
{
	struct question_list ending = LIST_HEAD_INITIALIZER(ending);
	struct question *q, *following;
	for (q = LIST_FIRST(&p->questions); q != NULL; q = following) {
		following = LIST_NEXT(q, next);
		if (q->deadline.us > deadline_us)
			continue;
		LIST_REMOVE(q, next);
		LIST_INSERT_HEAD(&ending, q, next); /* the list has the newest first: now the oldest */
	}
	while ((q = LIST_FIRST(&ending)) != NULL)
		end_question(q, NULL, error);
}

void peer_close(struct peer *p, const char *why)
{
	OBJ_CHECK(p, PEER_MAGIC);
	fd_close(&p->fd);
	drop_outgoing(p);
	for (unsigned i = 0; i < p->fd_count; i++)
		fd_close(&p->fds[i]);
	p->fd_count = 0;
	struct peer_error error = {"unavailable", "The process asked has gone away; try again.", 503};
	end_questions(p, INT64_MAX, &error);
	if (!p->gone_told) {
		p->gone_told = true;
		p->handler->gone(p, why, p->arg);
	}
}

static void close_too_slow(struct peer *p)
{
	peer_close(p, "too slow: over 8 MiB wait for it");
}

void peer_free(struct peer **pp)
{
	struct peer *p = *pp;
	if (p == NULL)
		return;
	OBJ_CHECK(p, PEER_MAGIC);
	p->gone_told = true;
	while (p->fd >= 0 || !LIST_EMPTY(&p->questions)) /* one may have been asked meanwhile */
		peer_close(p, "freed");
	drop_outgoing(p);
	buffer_free(&p->in);
	OBJ_FREE(p);
	*pp = NULL;
}

int peer_fd(const struct peer *p)
{
	OBJ_CHECK(p, PEER_MAGIC);
	return p->fd;
}

bool peer_is_open(const struct peer *p)
{
	OBJ_CHECK(p, PEER_MAGIC);
	return p->fd >= 0;
}

enum role peer_role(const struct peer *p)
{
	OBJ_CHECK(p, PEER_MAGIC);
	return p->role;
}

pid_t peer_pid(const struct peer *p)
{
	OBJ_CHECK(p, PEER_MAGIC);
	return p->pid;
}

void *peer_arg(const struct peer *p)
{
	OBJ_CHECK(p, PEER_MAGIC);
	return p->arg;
}

static void on_hello(struct peer *p, const struct frame *f)
{
	int64_t version = 0, pid = 0;
	const char *role = NULL;
	struct json_reader r;
	json_read_open(&r, f->body);
	json_read_int(&r, "version", JSON_NEEDED, 1, INT32_MAX, &version);
	json_read_text(&r, "role", JSON_NEEDED, 1, 32, &role);
	json_read_int(&r, "pid", JSON_NEEDED, 1, INT32_MAX, &pid);
	json_read_close(&r, JSON_OTHERS_TOO);
	char why[640];
	if (!json_read_ok(&r)) {
		text_printf(why, sizeof why, "hello: %s", r.faults);
		peer_close(p, why);
	} else if (version < PROTO_VERSION_LEAST) {
		/* Of two versions the later one decides, and knows what the earlier one understands. */
		text_printf(why, sizeof why,
			    "it speaks version %d, we understand %d and later: restart phony whole",
			    (int)version, PROTO_VERSION_LEAST);
		peer_close(p, why);
	} else if ((role_by_name(role) & p->expected) == 0) {
		text_printf(why, sizeof why, "a %s is not expected here", role);
		peer_close(p, why);
	} else {
		p->role = role_by_name(role);
		p->pid = (pid_t)pid;
		p->version = (unsigned)version;
		if (p->handler->hello)
			p->handler->hello(p, p->role, p->pid, p->arg);
	}
}

static void on_reply(struct peer *p, const struct frame *f)
{
	struct question *q;
	LIST_FOREACH (q, &p->questions, next)
		if (q->id == f->id)
			break;
	if (q == NULL)
		return; /* its time was up */
	if (!(f->flags & FRAME_ERROR)) {
		end_question(q, f->body, NULL);
		return;
	}
	struct peer_error error = {"failed", "The question failed without a reason.", 500};
	int64_t status = error.http_status;
	struct json_reader r;
	json_read_open(&r, f->body);
	json_read_text(&r, "code", JSON_OPTIONAL, 1, 64, &error.code);
	json_read_text(&r, "message", JSON_OPTIONAL, 1, 4096, &error.message);
	json_read_int(&r, "httpStatus", JSON_OPTIONAL, 400, 599, &status);
	error.http_status = (int)status;
	end_question(q, NULL, &error);
}

static void dispatch(struct peer *p, const struct frame *f, int fd)
{
	char why[128];
	bool hello = f->type == MSG_HELLO;
	if (hello != (p->role == 0)) {
		text_printf(why, sizeof why, "%s out of order", message_name(f->type));
		fd_close(&fd);
		peer_close(p, why);
	} else if (hello) {
		fd_close(&fd);
		on_hello(p, f);
	} else if (!message_allowed(f, p->role, p->self)) {
		text_printf(why, sizeof why, "a %s may not send %s (flags %u) to a %s", role_name(p->role),
			    message_name(f->type), f->flags, role_name(p->self));
		fd_close(&fd);
		peer_close(p, why);
	} else if (f->flags & FRAME_REPLY) {
		on_reply(p, f);
	} else {
		p->handler->message(p, f, fd, p->arg);
	}
}

/* The descriptor of a frame that announces one; they arrive in the frames' order. */
static int take_fd(struct peer *p, const struct frame *f)
{
	if (!(f->flags & FRAME_FD) || p->fd_count == 0)
		return -1;
	int fd = p->fds[0];
	memmove(p->fds, p->fds + 1, --p->fd_count * sizeof *p->fds);
	return fd;
}

static void decode_all(struct peer *p)
{
	while (p->fd >= 0) {
		struct frame f;
		char why[256];
		enum frame_result result = frame_decode(&p->in, &f, why, sizeof why);
		if (result == FRAME_PARTIAL)
			return;
		if (result == FRAME_BROKEN) {
			peer_close(p, why);
			return;
		}
		int fd = take_fd(p, &f);
		if ((f.flags & FRAME_FD) && fd < 0)
			peer_close(p, "a descriptor was announced and none came");
		else
			dispatch(p, &f, fd);
		json_decref(f.body);
	}
}

void peer_readable(struct peer *p)
{
	OBJ_CHECK(p, PEER_MAGIC);
	while (p->fd >= 0) {
		int fd;
		if (!buffer_reserve(&p->in, READ_SIZE)) {
			peer_close(p, "more bytes than a frame can have");
			return;
		}
		ssize_t n = fd_receive(p->fd, p->in.data + p->in.len, READ_SIZE, &fd);
		if (fd >= 0) {
			if (p->fd_count < FDS_MAX)
				p->fds[p->fd_count++] = fd;
			else
				close(fd);
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			peer_close(p, n == 0 ? "closed by the other side" : strerror(errno));
			return;
		}
		p->in.len += (size_t)n;
		decode_all(p);
	}
}

void peer_writable(struct peer *p)
{
	OBJ_CHECK(p, PEER_MAGIC);
	struct outgoing *o;
	if (p->too_slow)
		close_too_slow(p);
	while (p->fd >= 0 && (o = STAILQ_FIRST(&p->out)) != NULL) {
		ssize_t n = fd_send(p->fd, o->bytes.data + o->sent, o->bytes.len - o->sent,
				    o->sent == 0 ? o->fd : -1);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			/* What the other side said last is still to be read. */
			if (errno == EPIPE || errno == ECONNRESET)
				peer_readable(p);
			if (p->fd >= 0)
				peer_close(p, strerror(errno));
			return;
		}
		if (o->sent == 0)
			fd_close(&o->fd);
		o->sent += (size_t)n;
		if (o->sent < o->bytes.len)
			continue;
		STAILQ_REMOVE_HEAD(&p->out, next);
		p->out_bytes -= o->bytes.len;
		buffer_free(&o->bytes);
		free(o);
	}
}

bool peer_wants_write(const struct peer *p)
{
	OBJ_CHECK(p, PEER_MAGIC);
	return p->fd >= 0 && (p->too_slow || !STAILQ_EMPTY(&p->out));
}

bool peer_tell(struct peer *p, enum message type, json_t *body, int fd)
{
	OBJ_CHECK(p, PEER_MAGIC);
	struct frame f = {(uint16_t)type, fd >= 0 ? FRAME_FD : 0, 0, body};
	/* Without its descriptor (none could be had) it would break the other side's rules, and end the
	 * connection. */
	bool whole = fd >= 0 || !message_carries(type);
	if (!whole)
		log_error("%s to %s was not sent: no descriptor could be had for it", message_name(type),
			  role_name(p->role));
	bool ok = whole && enqueue(p, &f, fd);
	json_decref(body);
	return ok;
}

void peer_ask(struct peer *p, enum message type, json_t *body, int timeout_ms, peer_answer_fn *answer,
	      void *arg)
{
	OBJ_CHECK(p, PEER_MAGIC);
	struct question *q = xcalloc(1, sizeof *q);
	q->id = ++p->last_id;
	q->answer = answer;
	q->arg = arg;
	struct frame f = {(uint16_t)type, 0, q->id, body};
	/* What cannot be sent expires at once, from the loop. */
	bool sent = message_known(type, p->version) && enqueue(p, &f, -1);
	q->deadline.us = mono_now().us + (sent ? (int64_t)timeout_ms * 1000 : 0);
	LIST_INSERT_HEAD(&p->questions, q, next);
	json_decref(body);
	if (p->handler->want_write)
		p->handler->want_write(p, p->arg);
}

void peer_reply(struct peer *p, const struct frame *question, json_t *body)
{
	OBJ_CHECK(p, PEER_MAGIC);
	struct frame f = {question->type, FRAME_REPLY, question->id, body};
	if (p->fd >= 0 && !enqueue(p, &f, -1) && p->fd >= 0) {
		struct peer_error error = {"too_large", "The answer is over 1 MiB: ask for less at once.",
					   500};
		peer_refuse(p, question, &error);
	}
	json_decref(body);
}

void peer_refuse(struct peer *p, const struct frame *question, const struct peer_error *error)
{
	OBJ_CHECK(p, PEER_MAGIC);
	json_t *body = json_build("{s:s, s:s, s:i}", "code", error->code, "message", error->message,
				  "httpStatus", error->http_status);
	struct frame f = {question->type, FRAME_REPLY | FRAME_ERROR, question->id, body};
	if (p->fd >= 0)
		enqueue(p, &f, -1);
	json_decref(body);
}

int peer_next_deadline_ms(const struct peer *p)
{
	OBJ_CHECK(p, PEER_MAGIC);
	int64_t now = mono_now().us, soonest = -1;
	const struct question *q;
	if (p->too_slow && p->fd >= 0)
		return 0;
	LIST_FOREACH (q, &p->questions, next) {
		int64_t left = q->deadline.us > now ? (q->deadline.us - now) / 1000 + 1 : 0;
		if (soonest < 0 || left < soonest)
			soonest = left;
	}
	return (int)soonest;
}

void peer_expire(struct peer *p)
{
	OBJ_CHECK(p, PEER_MAGIC);
	struct peer_error error = {"timeout", "No answer in time; try again.", 504};
	if (p->too_slow)
		close_too_slow(p);
	end_questions(p, mono_now().us, &error);
}
