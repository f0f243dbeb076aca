#include "callworker/replay.h"

#include "callworker/call/call.h"
#include "callworker/net/websocket_inside.h"
#include "lib/base/base64.h"
#include "lib/base/buffer.h"
#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What voiced reads of us has been compared already. */
static void drain(struct ws_loop *l)
{
	char bytes[4096];
	while (l->voiced >= 0 && read(l->voiced, bytes, sizeof bytes) > 0)
		;
}

/* Writes a frame as voiced would; where one has a descriptor, it is one of nothing. */
static void feed(struct ws_loop *l, const struct frame *f)
{
	struct buffer bytes = {0};
	int nothing = f->flags & FRAME_FD ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
	if (!frame_encode(&bytes, f))
		flight_differs(l->flight, "line %u: a frame that is none", flight_line(l->flight));
	for (size_t done = 0; done < bytes.len && l->voiced >= 0;) {
		ssize_t n = fd_send(l->voiced, bytes.data + done, bytes.len - done, nothing);
		if (n < 0 && errno != EAGAIN)
			break;
		done += n > 0 ? (size_t)n : 0;
		fd_close(&nothing);
		ws_imagine_readable(l);
		drain(l);
	}
	fd_close(&nothing);
	buffer_free(&bytes);
}

static void feed_message(struct ws_loop *l, enum message type, json_t *body)
{
	struct frame f = {.type = type, .body = body};
	feed(l, &f);
	json_decref(body);
}

/* What comes before the record begins: a process that is told to be ready, and not confined. */
static void say_hello(struct ws_loop *l)
{
	feed_message(l, MSG_HELLO,
		     json_build("{s:i, s:s, s:i}", "version", PROTO_VERSION, "role", "voiced", "pid", 1));
}

static void prepare(struct ws_loop *l)
{
	say_hello(l);
	feed_message(l, MSG_PREPARE,
		     json_build("{s:b, s:b, s:s, s:i, s:i, s:i}", "confine", 0, "tls", 0, "caFile", "",
				"memoryMb", 1, "cpuSeconds", 1, "coreMb", 0));
}

static void come_from_voiced(struct ws_loop *l, json_t *line)
{
	int64_t type = 0, flags = 0, id = 0;
	const char *gone = NULL;
	bool back = false;
	json_t *body = NULL;
	struct json_reader r;
	json_read_open(&r, line);
	json_read_text(&r, "gone", JSON_OPTIONAL, 0, 1000, &gone);
	json_read_bool(&r, "back", JSON_OPTIONAL, &back);
	json_read_int(&r, "type", JSON_OPTIONAL, 0, UINT16_MAX, &type);
	json_read_int(&r, "flags", JSON_OPTIONAL, 0, UINT16_MAX, &flags);
	json_read_int(&r, "id", JSON_OPTIONAL, 0, INT64_MAX, &id);
	json_read_object(&r, "body", JSON_OPTIONAL, &body);
	struct frame f = {(uint16_t)type, (uint16_t)flags, (uint64_t)id, body};
	if (gone != NULL) {
		fd_close(&l->voiced);
		ws_imagine_readable(l);
	} else if (back) {
		l->voiced_back(l->voiced_back_arg, ws_imagine_voiced(l));
	} else if (type == MSG_HELLO) {
		say_hello(l);
	} else if (type == MSG_ASSIGN || type == MSG_AGENT || !(flags & FRAME_FD)) {
		feed(l, &f);
	} /* else a file of the call that was, which is left alone */
}

static void come_to_socket(struct ws_loop *l, json_t *line)
{
	int64_t socket = 0, born = 0, code = 0, status = 0;
	const char *event = "", *text = NULL, *encoded = "";
	struct json_reader r;
	json_read_open(&r, line);
	json_read_int(&r, "socket", JSON_NEEDED, 1, INT32_MAX, &socket);
	json_read_int(&r, "born", JSON_NEEDED, 0, INT64_MAX, &born);
	json_read_int(&r, "closeCode", JSON_NEEDED, 0, UINT16_MAX, &code);
	json_read_int(&r, "httpStatus", JSON_NEEDED, 0, UINT16_MAX, &status);
	json_read_text(&r, "event", JSON_NEEDED, 1, 20, &event);
	text = json_string_value(json_object_get(line, "text"));
	size_t len = json_string_length(json_object_get(line, "text"));
	json_read_text(&r, "base64", JSON_OPTIONAL, 0, INT32_MAX, &encoded);
	char *bytes = xcalloc(1, strlen(encoded) + 1);
	if (text == NULL) {
		ssize_t n = base64_decode(encoded, strlen(encoded), bytes);
		len = n > 0 ? (size_t)n : 0;
		text = bytes;
	}
	struct flight_socket e = {(unsigned)socket, event,           text, len, {born},
				  (unsigned)code,   (unsigned)status};
	if (!json_read_ok(&r) || !ws_imagine_event(l, &e))
		flight_differs(l->flight, "line %u: no socket can tell this now", flight_line(l->flight));
	free(bytes);
}

static void come(struct ws_loop *l, json_t *line)
{
	const char *in = json_string_value(json_object_get(line, "in"));
	in = in ? in : "nothing that is known";
	if (strcmp(in, "voiced") == 0)
		come_from_voiced(l, line);
	else if (strcmp(in, "socket") == 0)
		come_to_socket(l, line);
	else if (strcmp(in, "timer") != 0)
		flight_differs(l->flight, "line %u: %s came then", flight_line(l->flight), in);
	else if (!ws_imagine_timer(l, (unsigned)json_integer_value(json_object_get(line, "timer"))))
		flight_differs(l->flight, "line %u: no such timer waits now", flight_line(l->flight));
}

int replay_run(const char *path)
{
	char why[300];
	struct flight *flight = flight_open(path, why, sizeof why);
	if (flight == NULL) {
		fprintf(stderr, "callworker: %s\n", why);
		return EXIT_FAILED;
	}
	struct ws_loop *l = ws_imagine(flight);
	struct call *call = call_new(l, ws_imagine_voiced(l));
	unsigned count = 0;
	json_t *line;
	prepare(l);
	while (!l->stopping && (line = flight_next(flight)) != NULL) {
		come(l, line);
		json_decref(line);
		count++;
	}
	bool same = flight_difference(flight)[0] == '\0', whole = flight_is_whole(flight, l->stopping);
	if (!same)
		printf("replayed %u that came in; then it differs: %s\n", count, flight_difference(flight));
	else if (whole)
		printf("replayed: %u came in, and the same was sent, line for line (%u lines)\n", count,
		       flight_line(flight));
	else
		printf("replayed %u that came in, without a difference, but the record has no end (%u "
		       "lines): "
		       "its process was killed, or a part of the file is missing\n",
		       count, flight_line(flight));
	if (strcmp(flight_version(flight), PHONY_VERSION) != 0)
		printf("recorded by phony %s, replayed by %s\n", flight_version(flight), PHONY_VERSION);
	int code = same && whole ? EXIT_OK : EXIT_FAILED;
	call_free(&call);
	ws_loop_free(&l);
	return code;
}
