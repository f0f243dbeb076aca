/*
 * A whole call: what comes from voiced, Twilio and the agent, and its timers, in any
 * order and with anything in it, as lines of a flight's record (callworker/process/flight_recorder.h).
 * The record here is one that does not mind what the call sends.
 */
#include "tests/fuzz/quiet.h"

#include "callworker/process/flight_recorder.h"
#include "callworker/replay.h"
#include "lib/base/panic.h"

#include <stdlib.h>
#include <string.h>

struct flight {
	const char *rest;
	size_t len;
	unsigned line;
};

static struct flight flight;

struct flight *flight_record(int fd)
{
	(void)fd;
	panic("a replay records nothing");
}

struct flight *flight_open(const char *path, char *why, size_t size)
{
	(void)path;
	(void)why;
	(void)size;
	clock_hold((struct mono_us){1000000}, (struct wall_ms){1767225600000});
	return &flight;
}

void flight_free(struct flight **f)
{
	*f = NULL;
	clock_release();
}

void flight_frame_in(struct flight *f, const struct frame *frame)
{
	(void)f;
	(void)frame;
}

void flight_gone(struct flight *f, const char *why)
{
	(void)f;
	(void)why;
}

void flight_back(struct flight *f)
{
	(void)f;
}

void flight_socket_in(struct flight *f, const struct flight_socket *e)
{
	(void)f;
	(void)e;
}

void flight_timer(struct flight *f, unsigned number)
{
	(void)f;
	(void)number;
}

void flight_frame_out(struct flight *f, enum message type, const json_t *body)
{
	(void)f;
	(void)type;
	(void)body;
}

void flight_socket_out(struct flight *f, unsigned socket, const char *event, const char *text, size_t len)
{
	(void)f;
	(void)socket;
	(void)event;
	(void)text;
	(void)len;
}

/* The next line that can be read; its `after` is the time that passed, in µs. */
json_t *flight_next(struct flight *f)
{
	static int64_t at;
	json_t *line = NULL;
	while (f->len > 0 && !json_is_object(line)) {
		const char *newline = memchr(f->rest, '\n', f->len);
		size_t len = newline ? (size_t)(newline - f->rest) : f->len;
		json_decref(line);
		line = json_loadb(f->rest, len, 0, NULL);
		len += newline != NULL;
		f->rest += len;
		f->len -= len;
		at = f->line++ ? at : 1000000;
	}
	int64_t after = json_integer_value(json_object_get(line, "after"));
	at += after > 0 && after < 3600000000 ? after : 0;
	clock_hold((struct mono_us){at}, (struct wall_ms){0});
	if (json_is_object(line))
		return line;
	json_decref(line);
	return NULL;
}

const char *flight_difference(const struct flight *f)
{
	(void)f;
	return "";
}

/* Of an event that cannot be now: the next one is tried. */
void flight_differs(struct flight *f, const char *fmt, ...)
{
	(void)f;
	(void)fmt;
}

bool flight_is_whole(const struct flight *f, bool came_to_end)
{
	(void)f;
	return came_to_end;
}

const char *flight_version(const struct flight *f)
{
	(void)f;
	return "";
}

unsigned flight_line(const struct flight *f)
{
	return f->line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	flight = (struct flight){(const char *)data, size, 0};
	replay_run("");
	return 0;
}
