#include "callworker/process/flight_recorder.h"

#include "lib/base/base64.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/base/version.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLIGHT_MAGIC 0x666c7967u

enum { SHOWN = 300 }; /* of a line, in a sentence */

struct flight {
	unsigned magic;
	int fd;     /* that is recorded into; -1 in a replay */
	FILE *file; /* that is replayed */
	unsigned line;
	json_t *next; /* a line that was read, and not used yet */
	bool ended;   /* the record says where it ends */
	bool cut;     /* more is sent now than it has, and it says no end */
	char version[32];
	char difference[3 * SHOWN];
};

struct flight *flight_record(int fd)
{
	struct flight *f;
	OBJ_ALLOC(f, FLIGHT_MAGIC);
	f->fd = fd;
	struct mono_us at = mono_real();
	struct wall_ms wall = wall_now();
	dprintf(fd, "{\"flight\": 1, \"version\": \"%s\", \"at\": %lld, \"wall\": %lld}\n", PHONY_VERSION,
		(long long)at.us, (long long)wall.ms);
	clock_hold(at, wall);
	return f;
}

void flight_free(struct flight **ff)
{
	struct flight *f = *ff;
	if (f == NULL)
		return;
	OBJ_CHECK(f, FLIGHT_MAGIC);
	if (f->fd >= 0)
		close(f->fd);
	if (f->file != NULL)
		fclose(f->file);
	json_decref(f->next);
	OBJ_FREE(f);
	*ff = NULL;
	clock_release();
}

/* ---- writing ---- */

/* A line; steals it. What cannot be written is missed: the call goes on. */
static void put(struct flight *f, json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0, done = 0;
	if (text != NULL)
		text[len++] = '\n'; /* in place of the terminator */
	while (f->fd >= 0 && done < len) {
		ssize_t n = write(f->fd, text + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			log_warn("the flight recorder ends: %s", strerror(errno));
			close(f->fd);
			f->fd = -1;
		} else {
			done += (size_t)n;
		}
	}
	free(text);
	json_decref(line);
}

/* The text as it is, or what is no UTF-8 in base64. */
static void set_text(json_t *line, const char *text, size_t len)
{
	if (text_valid(text, len)) {
		json_object_set_new(line, "text", json_text_n(text, len));
		return;
	}
	char *encoded = xcalloc(1, BASE64_LEN(len) + 1);
	base64_encode(text, len, encoded);
	json_object_set_new(line, "base64", json_text(encoded));
	free(encoded);
}

/* What came in: from now on it is then. Steals line. */
static void came(struct flight *f, json_t *line)
{
	struct mono_us at = mono_real();
	clock_hold(at, (struct wall_ms){0});
	json_object_set_new(line, "at", json_integer(at.us));
	put(f, line);
}

static bool recording(const struct flight *f)
{
	return f != NULL && f->file == NULL;
}

/* A signed URL ends where its query begins, and a key is none of the record's business. */
static json_t *without_secrets(enum message type, json_t *body)
{
	if (type != MSG_AGENT)
		return json_incref(body);
	json_t *copy = json_copy(body);
	const char *url = json_string_value(json_object_get(copy, "url"));
	if (url != NULL)
		json_object_set_new(copy, "url", json_text_n(url, strcspn(url, "?")));
	if (json_object_get(copy, "header") != NULL)
		json_object_set_new(copy, "header", json_text("Authorization: (left out)"));
	return copy;
}

void flight_frame_in(struct flight *f, const struct frame *frame)
{
	if (recording(f))
		came(f, json_build("{s:s, s:i, s:i, s:I, s:o}", "in", "voiced", "type", (int)frame->type,
				   "flags", (int)frame->flags, "id", (json_int_t)frame->id, "body",
				   without_secrets(frame->type, frame->body)));
}

void flight_gone(struct flight *f, const char *why)
{
	if (recording(f))
		came(f, json_build("{s:s, s:s}", "in", "voiced", "gone", why));
}

void flight_back(struct flight *f)
{
	if (recording(f))
		came(f, json_build("{s:s, s:b}", "in", "voiced", "back", 1));
}

void flight_socket_in(struct flight *f, const struct flight_socket *e)
{
	if (!recording(f))
		return;
	json_t *line = json_build("{s:s, s:i, s:s, s:I, s:i, s:i}", "in", "socket", "socket", (int)e->socket,
				  "event", e->event, "born", (json_int_t)e->born.us, "closeCode",
				  (int)e->close_code, "httpStatus", (int)e->http_status);
	set_text(line, e->text, e->len);
	came(f, line);
}

void flight_timer(struct flight *f, unsigned number)
{
	if (recording(f))
		came(f, json_build("{s:s, s:i}", "in", "timer", "timer", (int)number));
}

/* ---- reading ---- */

struct flight *flight_open(const char *path, char *why, size_t size)
{
	FILE *file = fopen(path, "re");
	if (file == NULL) {
		text_printf(why, size, "%s: %s", path, strerror(errno));
		return NULL;
	}
	struct flight *f;
	OBJ_ALLOC(f, FLIGHT_MAGIC);
	f->fd = -1;
	f->file = file;
	json_t *first = flight_next(f);
	if (json_integer_value(json_object_get(first, "flight")) == 1) {
		const char *version = json_string_value(json_object_get(first, "version"));
		text_printf(f->version, sizeof f->version, "%s", version ? version : "unknown");
		clock_hold((struct mono_us){json_integer_value(json_object_get(first, "at"))},
			   (struct wall_ms){json_integer_value(json_object_get(first, "wall"))});
	} else {
		text_printf(why, size, "%s is no record of a flight", path);
		flight_free(&f);
	}
	json_decref(first);
	return f;
}

const char *flight_difference(const struct flight *f)
{
	OBJ_CHECK(f, FLIGHT_MAGIC);
	return f->difference;
}

unsigned flight_line(const struct flight *f)
{
	OBJ_CHECK(f, FLIGHT_MAGIC);
	return f->line;
}

void flight_differs(struct flight *f, const char *fmt, ...)
{
	va_list args;
	if (f->difference[0] != '\0')
		return; /* what follows the first is its consequence */
	va_start(args, fmt);
	vsnprintf(f->difference, sizeof f->difference, fmt, args);
	va_end(args);
}

static json_t *read_line(struct flight *f)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t len = getline(&text, &size, f->file);
	json_t *line = NULL;
	if (len > 0) {
		f->line++;
		line = json_loadb(text, (size_t)len, 0, NULL);
		if (!json_is_object(line) && text[len - 1] == '\n')
			flight_differs(f, "line %u is no JSON object", f->line);
	}
	free(text);
	if (json_is_object(line))
		return line;
	json_decref(line);
	return NULL;
}

/* The next line, kept until it is used; NULL at the end. A last line that was cut off is the end. */
static json_t *look(struct flight *f)
{
	while (f->next == NULL && (f->next = read_line(f)) != NULL)
		if (json_object_get(f->next, "end") != NULL) {
			f->ended = true;
			json_decref(f->next);
			f->next = NULL;
		}
	return f->next;
}

bool flight_is_whole(const struct flight *f, bool came_to_end)
{
	OBJ_CHECK(f, FLIGHT_MAGIC);
	return !f->cut && (f->ended || came_to_end);
}

const char *flight_version(const struct flight *f)
{
	OBJ_CHECK(f, FLIGHT_MAGIC);
	return f->version;
}

static void use(struct flight *f)
{
	json_decref(f->next);
	f->next = NULL;
}

static void show(const json_t *value, char out[SHOWN])
{
	char *text = json_dumps(value, JSON_COMPACT);
	snprintf(out, SHOWN, "%s", text ? text : "nothing");
	free(text);
}

json_t *flight_next(struct flight *f)
{
	OBJ_CHECK(f, FLIGHT_MAGIC);
	json_t *line = look(f);
	char shown[SHOWN];
	if (line != NULL && json_object_get(line, "out") != NULL) {
		show(line, shown);
		flight_differs(f, "line %u was sent then, and is not sent now: %s", f->line, shown);
	}
	if (line == NULL || f->difference[0] != '\0')
		return NULL;
	json_incref(line);
	use(f);
	if (json_object_get(line, "flight") == NULL)
		clock_hold((struct mono_us){json_integer_value(json_object_get(line, "at"))},
			   (struct wall_ms){0});
	return line;
}

/* ---- what is sent ---- */

/* Steals line. */
static void sent(struct flight *f, json_t *line)
{
	if (f->file == NULL) {
		put(f, line);
		return;
	}
	json_t *then = look(f);
	char was[SHOWN], is[SHOWN];
	if (then != NULL && json_equal(then, line)) {
		use(f);
	} else if (then == NULL && feof(f->file)) {
		f->cut = !f->ended; /* a process that was killed had no time for this */
	} else {
		show(then, was);
		show(line, is);
		flight_differs(f, "line %u\n\twas %s\n\tis  %s", f->line, was, is);
	}
	json_decref(line);
}

/* What the process measured of itself, or of this machine, is another each time. */
static json_t *without_measures(enum message type, const json_t *body)
{
	json_t *copy = json_deep_copy(body), *data = json_object_get(copy, "data");
	if (type == MSG_EVENT && json_object_get(data, "delayToAgentUs") != NULL) {
		json_object_del(data, "delayToAgentUs");
		json_object_del(data, "delayToCallerUs");
	}
	return copy;
}

void flight_frame_out(struct flight *f, enum message type, const json_t *body)
{
	if (f != NULL)
		sent(f, json_build("{s:s, s:i, s:o}", "out", "voiced", "type", (int)type, "body",
				   without_measures(type, body)));
}

void flight_socket_out(struct flight *f, unsigned socket, const char *event, const char *text, size_t len)
{
	if (f == NULL)
		return;
	json_t *line = json_build("{s:s, s:i, s:s}", "out", "socket", "socket", (int)socket, "event", event);
	set_text(line, text, len);
	sent(f, line);
}
