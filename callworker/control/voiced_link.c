#include "callworker/control/voiced_link.h"

#include "callworker/control/event_journal.h"
#include "callworker/process/flight_recorder.h"
#include "lib/base/fd.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONTROL_MAGIC 0x6374726cu

struct control {
	unsigned magic;
	struct ws_loop *loop;
	const struct control_handler *handler;
	void *arg;
	struct peer *peer, *dead; /* dead: gone, freed at the next step */
	struct ws_watch *watch;
	struct journal *journal;
	char *call_id;
	int64_t attempt;
	int listener; /* the next voiced comes here; -1: none yet */
	struct ws_watch *listening;
};

static void take_listener(struct control *c, int fd);

static void tell(struct control *c, enum message type, json_t *body)
{
	flight_frame_out(ws_loop_flight(c->loop), type, body);
	peer_tell(c->peer, type, body, -1);
}

static void on_readable(void *arg)
{
	struct control *c = arg;
	if (c->peer != NULL)
		peer_readable(c->peer);
}

static void on_writable(void *arg)
{
	struct control *c = arg;
	if (c->peer == NULL)
		return;
	peer_writable(c->peer);
	if (c->peer != NULL && peer_wants_write(c->peer))
		ws_watch_want_write(c->watch);
}

static const struct ws_watch_handler watch_events = {on_readable, on_writable};

static void on_want_write(struct peer *p, void *arg)
{
	(void)p;
	struct control *c = arg;
	if (c->watch != NULL)
		ws_watch_want_write(c->watch);
}

/* To a voiced that does not know us: who we are, then everything it missed. */
static void on_hello(struct peer *p, enum role role, pid_t pid, void *arg)
{
	(void)role;
	(void)pid;
	struct control *c = arg;
	struct frame hello = {.type = MSG_HELLO, .body = json_object()};
	flight_frame_in(ws_loop_flight(c->loop), &hello);
	json_decref(hello.body);
	if (c->call_id == NULL)
		return;
	int stream = c->handler->stream_fd(c->arg);
	if (stream >= 0)
		peer_tell(p, MSG_STREAM, json_object(), fcntl(stream, F_DUPFD_CLOEXEC, 3));
	tell(c, MSG_ANNOUNCE,
	     json_build("{s:s, s:I, s:b}", "callId", c->call_id, "attempt", (json_int_t)c->attempt,
			"needsAgent", c->handler->needs_agent(c->arg)));
	journal_replay(c->journal);
	log_info("voiced is back: the call was announced to it");
}

static void on_ack(struct control *c, const struct frame *f)
{
	int64_t seq = 0;
	struct json_reader r;
	json_read_open(&r, f->body);
	json_read_int(&r, "seq", JSON_NEEDED, 1, INT64_MAX, &seq);
	journal_acked(c->journal, seq);
	if (journal_is_empty(c->journal))
		c->handler->all_stored(c->arg);
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)p;
	struct control *c = arg;
	flight_frame_in(ws_loop_flight(c->loop), f);
	switch (f->type) {
	case MSG_PREPARE:
		c->handler->prepare(c->arg, f->body);
		return;
	case MSG_ASSIGN:
		c->handler->assign(c->arg, f->body, fd);
		return;
	case MSG_AGENT:
		c->handler->agent(c->arg, f->body, fd);
		return;
	case MSG_NO_AGENT:
		c->handler->no_agent(c->arg, f->body);
		return;
	case MSG_LISTENER:
		take_listener(c, fd);
		return;
	case MSG_RECORD:
		c->handler->record(c->arg, fd);
		return;
	case MSG_FLIGHT:
		ws_loop_record(c->loop, flight_record(fd));
		return;
	case MSG_EVENT_ACK:
		on_ack(c, f);
		return;
	default:
		c->handler->question(c->arg, f);
	}
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	struct control *c = arg;
	flight_gone(ws_loop_flight(c->loop), why);
	c->dead = c->peer;
	c->peer = NULL;
	ws_watch_free(&c->watch);
	if (c->call_id == NULL) {
		c->handler->orphaned(c->arg);
		return;
	}
	log_warn("voiced has gone away (%s); the call goes on", why);
}

static const struct peer_handler peer_events = {on_hello, on_message, on_gone, on_want_write};

static void attach(struct control *c, int fd)
{
	c->watch = ws_watch_new(c->loop, fd, &watch_events, c);
	c->peer = peer_new(fd, ROLE_CALLWORKER, ROLE_VOICED, &peer_events, c);
	ws_watch_want_write(c->watch);
}

/* The next voiced has come. The end of the one before may not have been noticed yet. */
static void on_voiced_back(void *arg, int fd)
{
	struct control *c = arg;
	if (c->peer != NULL)
		peer_close(c->peer, "another voiced has come");
	flight_back(ws_loop_flight(c->loop));
	peer_free(&c->dead);
	attach(c, fd);
}

static void on_connection(void *arg)
{
	struct control *c = arg;
	int fd = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		on_voiced_back(c, fd);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		log_warn("voiced's connection cannot be accepted: %s", strerror(errno));
}

static void on_listener_writable(void *arg)
{
	(void)arg;
}

static void take_listener(struct control *c, int fd)
{
	static const struct ws_watch_handler events = {on_connection, on_listener_writable};
	if (c->listener >= 0) {
		close(fd);
		return;
	}
	c->listener = fd;
	c->listening = ws_watch_new(c->loop, fd, &events, c);
}

static void send_event(void *arg, json_t *event)
{
	struct control *c = arg;
	if (c->peer != NULL && peer_role(c->peer) != 0)
		tell(c, MSG_EVENT, event);
	else
		json_decref(event); /* replayed after the hello */
}

struct control *control_new(struct ws_loop *loop, int fd, const struct control_handler *h, void *arg)
{
	struct control *c;
	OBJ_ALLOC(c, CONTROL_MAGIC);
	c->loop = loop;
	c->handler = h;
	c->arg = arg;
	c->listener = -1;
	c->journal = journal_new(send_event, c);
	ws_loop_on_voiced_back(loop, on_voiced_back, c);
	attach(c, fd);
	return c;
}

void control_free(struct control **cc)
{
	struct control *c = *cc;
	if (c == NULL)
		return;
	OBJ_CHECK(c, CONTROL_MAGIC);
	ws_watch_free(&c->listening);
	fd_close(&c->listener);
	ws_watch_free(&c->watch);
	peer_free(&c->peer);
	peer_free(&c->dead);
	journal_free(&c->journal);
	free(c->call_id);
	OBJ_FREE(c);
	*cc = NULL;
}

void control_cell(struct control *c, int landlock)
{
	OBJ_CHECK(c, CONTROL_MAGIC);
	if (c->peer != NULL)
		peer_tell(c->peer, MSG_CELL, json_build("{s:i}", "landlock", landlock), -1);
}

void control_identify(struct control *c, const char *call_id, int64_t attempt)
{
	OBJ_CHECK(c, CONTROL_MAGIC);
	free(c->call_id);
	c->call_id = xstrdup(call_id);
	c->attempt = attempt;
}

int64_t control_event(struct control *c, const char *type, json_t *data)
{
	OBJ_CHECK(c, CONTROL_MAGIC);
	return journal_add(c->journal, type, data);
}

bool control_all_stored(const struct control *c)
{
	OBJ_CHECK(c, CONTROL_MAGIC);
	return journal_is_empty(c->journal);
}

void control_reply(struct control *c, const struct frame *question, json_t *body)
{
	OBJ_CHECK(c, CONTROL_MAGIC);
	flight_frame_out(ws_loop_flight(c->loop), question->type, body);
	if (c->peer != NULL)
		peer_reply(c->peer, question, body);
	else
		json_decref(body);
}

void control_refuse(struct control *c, const struct frame *question, const char *code, const char *message,
		    int http_status)
{
	OBJ_CHECK(c, CONTROL_MAGIC);
	struct peer_error error = {code, message, http_status};
	json_t *told = json_build("{s:s, s:s}", "code", code, "message", message);
	flight_frame_out(ws_loop_flight(c->loop), question->type, told);
	json_decref(told);
	if (c->peer != NULL)
		peer_refuse(c->peer, question, &error);
}
