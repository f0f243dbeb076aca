/*
 * The flight recorder: everything that came to a call's process and everything
 * that it sent, each with its time, in a file of JSON lines; and the same file
 * as the measure of a replay (callworker/replay.h), which must send the same.
 *
 *	{"flight": 1, "version", "at": us, "wall": ms}               the first line; version: of phony
 *	{"at", "in": "voiced", "type", "id"?, "flags"?, "body"}      a frame of voiced's
 *	{"at", "in": "voiced", "gone": why}                          voiced has gone away
 *	{"at", "in": "voiced", "back": true}                         the next voiced has come
 *	{"at", "in": "socket", "socket": n, "event", "text", …}      of a WebSocket
 *	{"at", "in": "timer", "timer": n}
 *	{"out": "voiced", "type", "body"}
 *	{"out": "socket", "socket": n, "event", "text"}              connect, text, close
 *
 *	{"end": why}                                                 by voiced: the process was lost, another
 *took over
 *
 * Between two lines that came in, the clock stands still: what a replay sees is
 * exactly what there was. Keys and signed URLs are left out.
 */
#ifndef PHONY_CALLWORKER_PROCESS_FLIGHT_RECORDER_H
#define PHONY_CALLWORKER_PROCESS_FLIGHT_RECORDER_H

#include "lib/base/clock.h"
#include "proto/frame.h"

struct flight;

/* Records into fd, which it takes over. */
struct flight *flight_record(int fd);
/* Reads from the file; NULL: a sentence in why. */
struct flight *flight_open(const char *path, char *why, size_t size);
void flight_free(struct flight **f);

/* An event of a WebSocket. */
struct flight_socket {
	unsigned socket;
	const char *event; /* "open", "text", "broken", "closed" */
	const char *text;
	size_t len;
	struct mono_us born;
	unsigned close_code, http_status;
};

/* Each is called before what it tells of is acted on. flight may be NULL: then nothing is done. */
void flight_frame_in(struct flight *f, const struct frame *frame);
void flight_gone(struct flight *f, const char *why);
void flight_back(struct flight *f);
void flight_socket_in(struct flight *f, const struct flight_socket *e);
void flight_timer(struct flight *f, unsigned number);

/* What is sent: recorded, or compared with what was. body is borrowed. */
void flight_frame_out(struct flight *f, enum message type, const json_t *body);
void flight_socket_out(struct flight *f, unsigned socket, const char *event, const char *text, size_t len);

/* ---- a replay's side ---- */

/* The next line that came in; NULL at the end, or when what was sent differs. Owned by the caller. */
json_t *flight_next(struct flight *f);
/* Nothing is missing: the replay came to the call's end, or the record says where it ends. */
bool flight_is_whole(const struct flight *f, bool came_to_end);
/* Of phony, which recorded it. */
const char *flight_version(const struct flight *f);
/* What differs, told in a sentence; "" while nothing does. */
const char *flight_difference(const struct flight *f);
void flight_differs(struct flight *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Lines of the file that were gone through. */
unsigned flight_line(const struct flight *f);

#endif
