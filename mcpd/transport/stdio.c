#include "mcpd/transport/stdio.h"

#include "lib/base/buffer.h"
#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/loop/loop.h"
#include "mcpd/rpc.h"
#include "mcpd/rpc_parse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4 * 1024 * 1024, READ_SIZE = 64 * 1024, EDGE_BYTES = 512, LOOK_MS = 500 };

struct stdio {
	struct event_base *base;
	struct mcpd mcpd;
	struct rpc *rpc;
	struct event *readable, *writable, *term, *interrupt;
	struct buffer in, out;
	struct timer look;
	bool skipping;         /* the rest of a line that is too long */
	char head[EDGE_BYTES]; /* how that line began */
	bool ended;            /* no more input */
	int in_flags, out_flags;
};

static void end_if_done(struct stdio *s)
{
	if (s->ended && rpc_pending(s->rpc) == 0 && s->out.len == 0)
		event_base_loopbreak(s->base);
}

static void write_out(struct stdio *s)
{
	while (s->out.len > 0) {
		ssize_t n = write(STDOUT_FILENO, s->out.data, s->out.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			event_add(s->writable, NULL);
			return;
		}
		if (n < 0) {
			event_base_loopbreak(s->base); /* nobody reads any more */
			return;
		}
		buffer_consume(&s->out, (size_t)n);
	}
	end_if_done(s);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	write_out(arg);
}

static void send_message(void *arg, const json_t *about, json_t *message)
{
	(void)about;
	struct stdio *s = arg;
	/* From the loop: what is sent while a request is handled must not end us in its middle. */
	event_active(s->writable, EV_WRITE, 0);
	if (message == NULL)
		return;
	char *text = rpc_text(message);
	json_decref(message);
	buffer_append_text(&s->out, text);
	buffer_append(&s->out, "\n", 1);
	free(text);
}

static void refuse_line(struct stdio *s, const char *tail, size_t len)
{
	json_t *id = rpc_find_id(s->head, sizeof s->head, tail, len);
	rpc_refuse_too_long(s->rpc, id, LINE_MAX_BYTES);
	json_decref(id);
	s->skipping = false;
}

static void receive_line(struct stdio *s, const char *line, size_t len)
{
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len > 0)
		rpc_receive(s->rpc, line, len);
}

static void split_lines(struct stdio *s)
{
	size_t from = 0;
	for (;;) {
		const char *start = (char *)s->in.data + from;
		const char *newline = memchr(start, '\n', s->in.len - from);
		if (newline == NULL)
			break;
		size_t len = (size_t)(newline - start);
		if (s->skipping)
			refuse_line(s, start, len);
		else
			receive_line(s, start, len);
		from += len + 1;
	}
	buffer_consume(&s->in, from);
	if (!s->skipping && s->in.len > LINE_MAX_BYTES) {
		s->skipping = true;
		memcpy(s->head, s->in.data, sizeof s->head);
	}
	if (s->skipping && s->in.len > EDGE_BYTES)
		buffer_consume(&s->in, s->in.len - EDGE_BYTES);
}

/* After the end of input what is in flight is answered, as long as somebody reads. */
static void look_for_reader(void *arg)
{
	struct stdio *s = arg;
	struct pollfd out = {.fd = STDOUT_FILENO};
	if (poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP | POLLNVAL)))
		event_base_loopbreak(s->base);
	else
		timer_start(&s->look, s->base, LOOK_MS, look_for_reader, s);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct stdio *s = arg;
	buffer_reserve(&s->in, READ_SIZE);
	ssize_t n = read(fd, s->in.data + s->in.len, READ_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		s->in.len += (size_t)n;
		split_lines(s);
		return;
	}
	/* A last line without its end is a message all the same. */
	if (s->skipping)
		refuse_line(s, (char *)s->in.data, s->in.len);
	else
		receive_line(s, (char *)s->in.data, s->in.len);
	s->in.len = 0;
	event_del(s->readable);
	s->ended = true;
	look_for_reader(s);
	end_if_done(s);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	struct stdio *s = arg;
	event_base_loopbreak(s->base);
}

int stdio_serve(const char *config_file)
{
	struct stdio s = {.base = loop_new(true)};
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN); /* an instance that we bring up is not waited for */
	s.in_flags = fcntl(STDIN_FILENO, F_GETFL);
	s.out_flags = fcntl(STDOUT_FILENO, F_GETFL);
	fd_set_nonblock(STDIN_FILENO, true);
	fd_set_nonblock(STDOUT_FILENO, true);
	mcpd_init(&s.mcpd, s.base, backend_new(s.base, config_file, true));
	s.rpc = rpc_new(&s.mcpd, send_message, &s);
	s.readable = event_new(s.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_readable, &s);
	s.writable = event_new(s.base, STDOUT_FILENO, EV_WRITE, on_writable, &s);
	s.term = evsignal_new(s.base, SIGTERM, on_signal, &s);
	s.interrupt = evsignal_new(s.base, SIGINT, on_signal, &s);
	event_add(s.readable, NULL);
	evsignal_add(s.term, NULL);
	evsignal_add(s.interrupt, NULL);
	event_base_dispatch(s.base);
	timer_stop(&s.look);
	rpc_free(&s.rpc);
	mcpd_free(&s.mcpd);
	event_base_loop(s.base, EVLOOP_NONBLOCK);
	event_free(s.readable);
	event_free(s.writable);
	event_free(s.term);
	event_free(s.interrupt);
	event_base_free(s.base);
	buffer_free(&s.in);
	buffer_free(&s.out);
	libevent_global_shutdown();
	/* The flags are shared with whoever gave us the descriptors. */
	fcntl(STDIN_FILENO, F_SETFL, s.in_flags);
	fcntl(STDOUT_FILENO, F_SETFL, s.out_flags);
	return EXIT_OK;
}
