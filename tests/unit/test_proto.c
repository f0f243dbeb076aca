/* Frames and peers: two ends in one process, and ends that misbehave. */
#include "lib/base/fd.h"
#include "proto/peer.h"
#include "tests/unit/unit.h"

#include <endian.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_frame_round_trip(void **state)
{
	(void)state;
	struct buffer b = {0};
	char why[200];
	struct frame f = {MSG_EVENT, 0, 0, json_pack("{s:s}", "text", "grüß")}, g;
	assert_true(frame_encode(&b, &f));
	size_t whole = b.len;
	for (size_t cut = 0; cut < whole; cut++) {
		b.len = cut;
		assert_int_equal(frame_decode(&b, &g, why, sizeof why), FRAME_PARTIAL);
	}
	b.len = whole;
	assert_int_equal(frame_decode(&b, &g, why, sizeof why), FRAME_WHOLE);
	assert_int_equal(g.type, MSG_EVENT);
	assert_true(json_equal(f.body, g.body));
	assert_int_equal(b.len, 0);
	json_decref(f.body);
	json_decref(g.body);
	buffer_free(&b);
}

static void broken(const char *payload, uint32_t length, uint16_t type)
{
	struct buffer b = {0};
	struct frame f;
	char why[200];
	unsigned char header[16] = {0};
	length = htole32(length);
	type = htole16(type);
	memcpy(header, &length, 4);
	memcpy(header + 4, &type, 2);
	buffer_append(&b, header, 16);
	buffer_append_text(&b, payload);
	assert_int_equal(frame_decode(&b, &f, why, sizeof why), FRAME_BROKEN);
	assert_true(strlen(why) > 5);
	buffer_free(&b);
}

static void test_frame_broken(void **state)
{
	(void)state;
	broken("", FRAME_PAYLOAD_MAX + 1, MSG_HELLO);
	broken("", 0xffffffff, MSG_HELLO);
	broken("{}", 2, 999);
	broken("[]", 2, MSG_HELLO);
	broken("{]", 2, MSG_HELLO);
	broken("", 0, MSG_HELLO);
}

static void test_permissions(void **state)
{
	(void)state;
	struct frame ask = {MSG_LIST_CALLS, 0, 1, NULL}, event = {MSG_LIST_CALLS, 0, 0, NULL};
	struct frame answer = {MSG_LIST_CALLS, FRAME_REPLY, 1, NULL},
		     assign = {MSG_ASSIGN, FRAME_FD, 0, NULL};
	assert_true(message_allowed(&ask, ROLE_MCPD, ROLE_VOICED));
	assert_false(message_allowed(&event, ROLE_MCPD, ROLE_VOICED));
	assert_false(message_allowed(&ask, ROLE_CALLWORKER, ROLE_VOICED));
	assert_true(message_allowed(&answer, ROLE_VOICED, ROLE_MCPD));
	assert_false(message_allowed(&answer, ROLE_MCPD, ROLE_VOICED));
	assert_true(message_allowed(&assign, ROLE_VOICED, ROLE_CALLWORKER));
	assign.flags = 0;
	assert_false(message_allowed(&assign, ROLE_VOICED, ROLE_CALLWORKER));
}

struct end {
	struct peer *peer;
	int hellos, messages, gone, answers, errors, fd;
	char why[200], text[64], code[32];
	struct frame question;
};

static void on_hello(struct peer *p, enum role role, pid_t pid, void *arg)
{
	(void)p;
	(void)role;
	(void)pid;
	((struct end *)arg)->hellos++;
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	struct end *e = arg;
	e->messages++;
	e->fd = fd;
	e->question = *f;
	const char *text = json_string_value(json_object_get(f->body, "text"));
	snprintf(e->text, sizeof e->text, "%s", text ? text : "");
	if (f->type == MSG_LIST_CALLS)
		peer_reply(p, f, json_pack("{s:s}", "echo", e->text));
	if (f->type == MSG_GET_CALL) {
		struct peer_error error = {"not_found", "no such call", 404};
		peer_refuse(p, f, &error);
	}
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	struct end *e = arg;
	e->gone++;
	snprintf(e->why, sizeof e->why, "%s", why);
}

static const struct peer_handler handler = {on_hello, on_message, on_gone, NULL};

static void on_answer(void *arg, json_t *reply, const struct peer_error *error)
{
	struct end *e = arg;
	e->answers++;
	e->errors += error != NULL;
	if (error != NULL)
		snprintf(e->code, sizeof e->code, "%s", error->code);
	else
		snprintf(e->text, sizeof e->text, "%s", json_string_value(json_object_get(reply, "echo")));
}

static void pump(struct end *a, struct end *b)
{
	for (int i = 0; i < 4; i++) {
		if (peer_is_open(a->peer) && peer_wants_write(a->peer))
			peer_writable(a->peer);
		if (peer_is_open(b->peer) && peer_wants_write(b->peer))
			peer_writable(b->peer);
		if (peer_is_open(a->peer))
			peer_readable(a->peer);
		if (peer_is_open(b->peer))
			peer_readable(b->peer);
	}
}

static void open_pair(struct end *a, struct end *b)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	memset(a, 0, sizeof *a);
	memset(b, 0, sizeof *b);
	a->peer = peer_new(pair[0], ROLE_MCPD, ROLE_VOICED, &handler, a);
	b->peer = peer_new(pair[1], ROLE_VOICED, ROLE_MCPD | ROLE_CALLWORKER, &handler, b);
	pump(a, b);
	assert_int_equal(a->hellos, 1);
	assert_int_equal(b->hellos, 1);
}

static void close_pair(struct end *a, struct end *b)
{
	peer_free(&a->peer);
	peer_free(&b->peer);
}

static void test_questions(void **state)
{
	(void)state;
	struct end a, b;
	open_pair(&a, &b);
	peer_ask(a.peer, MSG_LIST_CALLS, json_pack("{s:s}", "text", "hello"), 1000, on_answer, &a);
	pump(&a, &b);
	assert_int_equal(a.answers, 1);
	assert_string_equal(a.text, "hello");
	peer_ask(a.peer, MSG_GET_CALL, json_object(), 1000, on_answer, &a);
	pump(&a, &b);
	assert_int_equal(a.errors, 1);
	assert_string_equal(a.code, "not_found");
	close_pair(&a, &b);
}

/* Nobody waits for the dead: time-out, and a peer that goes away. */
static void test_every_question_ends(void **state)
{
	(void)state;
	struct end a, b;
	open_pair(&a, &b);
	peer_ask(a.peer, MSG_GET_EVENTS, json_object(), 0, on_answer, &a);
	pump(&a, &b);
	assert_true(peer_next_deadline_ms(a.peer) <= 1);
	usleep(2000);
	peer_expire(a.peer);
	assert_int_equal(a.errors, 1);
	assert_string_equal(a.code, "timeout");
	peer_reply(b.peer, &b.question, json_object()); /* too late: ignored */
	pump(&a, &b);
	assert_int_equal(a.answers, 1);
	peer_ask(a.peer, MSG_GET_EVENTS, json_object(), 60000, on_answer, &a);
	pump(&a, &b);
	peer_free(&b.peer);
	peer_readable(a.peer);
	assert_int_equal(a.errors, 2);
	assert_string_equal(a.code, "unavailable");
	assert_int_equal(a.gone, 1);
	peer_free(&a.peer);
}

static void test_descriptor(void **state)
{
	(void)state;
	int pair[2], pipes[2];
	struct end a = {0}, b = {0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(pipe(pipes), 0);
	a.peer = peer_new(pair[0], ROLE_VOICED, ROLE_SMSD, &handler, &a);
	b.peer = peer_new(pair[1], ROLE_SMSD, ROLE_VOICED, &handler, &b);
	pump(&a, &b);
	assert_true(peer_tell(a.peer, MSG_HANDOVER, json_object(), pipes[1]));
	pump(&a, &b);
	assert_int_equal(b.messages, 1);
	assert_true(b.fd >= 0);
	assert_int_equal(write(b.fd, "x", 1), 1);
	char c;
	assert_int_equal(read(pipes[0], &c, 1), 1);
	close(b.fd);
	close(pipes[0]);
	close_pair(&a, &b);
}

/* One who says what its role may not, or no hello, or another version, is put out; nothing else happens. */
static void raw(const char *first_role, int version, uint16_t type, uint64_t id, const char *expected)
{
	int pair[2];
	struct end b = {0};
	struct buffer bytes = {0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	b.peer = peer_new(pair[1], ROLE_VOICED, ROLE_MCPD | ROLE_CALLWORKER, &handler, &b);
	if (first_role != NULL) {
		struct frame hello = {
			MSG_HELLO, 0, 0,
			json_pack("{s:i,s:s,s:i}", "version", version, "role", first_role, "pid", 1)};
		frame_encode(&bytes, &hello);
		json_decref(hello.body);
	}
	struct frame f = {type, 0, id, json_object()};
	frame_encode(&bytes, &f);
	json_decref(f.body);
	assert_int_equal(write(pair[0], bytes.data, bytes.len), bytes.len);
	peer_readable(b.peer);
	assert_int_equal(b.gone, 1);
	assert_int_equal(b.messages, 0);
	assert_non_null(strstr(b.why, expected));
	peer_free(&b.peer);
	close(pair[0]);
	buffer_free(&bytes);
}

static void test_intruders(void **state)
{
	(void)state;
	raw(NULL, 0, MSG_LIST_CALLS, 1, "out of order");
	raw("mcpd", PROTO_VERSION, MSG_EVENT, 0, "may not send");
	raw("callworker", PROTO_VERSION, MSG_EMERGENCY_SHUTDOWN, 1, "may not send");
	raw("supervisor", PROTO_VERSION, MSG_LIST_CALLS, 1, "not expected");
	raw("mcpd", PROTO_VERSION_LEAST - 1, MSG_LIST_CALLS, 1, "version");
	raw("mcpd", PROTO_VERSION, MSG_HELLO, 0, "out of order");
}

/* One of before an upgrade is not asked what it does not know: it would hang up on us. */
static void test_older_peer(void **state)
{
	(void)state;
	int pair[2];
	char bytes[4096];
	struct end b = {0};
	struct buffer hello = {0};
	struct frame f = {MSG_HELLO, 0, 0,
			  json_pack("{s:i,s:s,s:i}", "version", 4, "role", "callworker", "pid", 1)};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	b.peer = peer_new(pair[1], ROLE_VOICED, ROLE_CALLWORKER, &handler, &b);
	frame_encode(&hello, &f);
	assert_int_equal(write(pair[0], hello.data, hello.len), hello.len);
	peer_readable(b.peer);
	peer_writable(b.peer);
	assert_int_equal(b.hellos, 1);
	assert_true(read(pair[0], bytes, sizeof bytes) > 0); /* our hello */
	peer_ask(b.peer, MSG_WORKER_LEVELS, json_object(), 60000, on_answer, &b);
	peer_writable(b.peer);
	assert_int_equal(read(pair[0], bytes, sizeof bytes), -1);
	peer_expire(b.peer);
	assert_int_equal(b.errors, 1);
	peer_ask(b.peer, MSG_WORKER_HOLD, json_object(), 60000, on_answer, &b);
	peer_writable(b.peer);
	assert_true(read(pair[0], bytes, sizeof bytes) > 0);
	json_decref(f.body);
	buffer_free(&hello);
	peer_free(&b.peer);
	close(pair[0]);
}

static void test_slow_peer(void **state)
{
	(void)state;
	struct end a, b;
	open_pair(&a, &b);
	char *big = calloc(1, 900 * 1024);
	memset(big, 'x', 900 * 1024 - 1);
	bool ok = true;
	peer_ask(a.peer, MSG_GET_EVENTS, json_object(), 60000, on_answer, &a);
	for (int i = 0; i < 12 && ok; i++)
		ok = peer_tell(a.peer, MSG_EVENT, json_pack("{s:s}", "text", big), -1);
	assert_false(ok);
	/* Nothing is told from within the call: who tells may be going through a list of such peers. */
	assert_int_equal(a.gone, 0);
	assert_int_equal(a.errors, 0);
	assert_false(peer_tell(a.peer, MSG_SUBSCRIBE, json_object(), -1));
	peer_ask(a.peer, MSG_GET_EVENTS, json_object(), 60000, on_answer, &a);
	assert_int_equal(a.errors, 0);
	assert_int_equal(peer_next_deadline_ms(a.peer), 0);
	peer_expire(a.peer);
	assert_int_equal(a.gone, 1);
	assert_int_equal(a.errors, 2);
	assert_false(peer_is_open(a.peer));
	assert_int_equal(peer_next_deadline_ms(a.peer), -1);
	free(big);
	close_pair(&a, &b);
}

/* An answer's handler that closes the peer, or asks again: each question still ends once. */
struct ending {
	struct peer *peer;
	unsigned ended, again;
	bool closes, asks;
};

static void on_ended_question(void *arg, json_t *reply, const struct peer_error *error)
{
	struct ending *e = arg;
	assert_null(reply);
	assert_non_null(error);
	e->ended++;
	if (e->closes && peer_is_open(e->peer))
		peer_close(e->peer, "it does not answer");
	if (e->asks && e->again++ < 3)
		peer_ask(e->peer, MSG_WORKER_HOLD, json_object(), 0, on_ended_question, e);
}

static void on_closed(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)why;
	(void)arg;
}

static void endings(bool closes, bool asks, bool by_time, unsigned count)
{
	static const struct peer_handler quiet = {.gone = on_closed};
	int pair[2];
	struct ending e = {.closes = closes, .asks = asks};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	e.peer = peer_new(pair[0], ROLE_VOICED, ROLE_CALLWORKER, &quiet, &e);
	for (int i = 0; i < 4; i++)
		peer_ask(e.peer, MSG_WORKER_HOLD, json_object(), by_time ? 0 : 60000, on_ended_question, &e);
	if (by_time)
		peer_expire(e.peer);
	else
		peer_close(e.peer, "gone");
	assert_true(e.ended >= 4);
	peer_free(&e.peer);
	assert_int_equal(e.ended, count);
	close(pair[1]);
}

static void test_handlers_that_close(void **state)
{
	(void)state;
	for (int by_time = 0; by_time < 2; by_time++) {
		endings(false, false, by_time, 4);
		endings(true, false, by_time, 4);
		endings(false, true, by_time, 7);
		endings(true, true, by_time, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame_round_trip),    cmocka_unit_test(test_frame_broken),
		cmocka_unit_test(test_permissions),         cmocka_unit_test(test_questions),
		cmocka_unit_test(test_every_question_ends), cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_intruders),           cmocka_unit_test(test_older_peer),
		cmocka_unit_test(test_slow_peer),           cmocka_unit_test(test_handlers_that_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
