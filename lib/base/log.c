#include "lib/base/log.h"

#include "lib/base/text.h"

#include "lib/base/json_build.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = PIPE_BUF, SECRETS_MAX = 32, SECRET_MIN_LEN = 6 };

static struct {
	const char *process;
	enum log_severity least;
	bool json;
	char call_sid[48];
	char *secrets[SECRETS_MAX];
	size_t secret_count;
	enum sink { SINK_PLAIN, SINK_SOCKET, SINK_MAY_BLOCK } sink;
	bool torn;           /* a line was written in part: the disk is full */
	atomic_uint dropped; /* lines since the last one that could be written */
} logger = {.process = "phony", .least = LOG_SEV_INFO};

static const char *const severity_names[] = {"debug", "info", "warn", "error"};

/*
 * A pipe's or terminal's O_NONBLOCK belongs to everybody who shares it, so it is
 * opened anew, with flags that only we and our children have. A socket takes the
 * wish with each message. Where neither can be, poll(2) is asked before each line.
 */
static enum sink open_sink(void)
{
	struct stat st;
	int flags = fcntl(STDERR_FILENO, F_GETFL);
	if (flags < 0 || fstat(STDERR_FILENO, &st) != 0)
		return SINK_PLAIN;
	if (S_ISSOCK(st.st_mode))
		return SINK_SOCKET;
	if ((flags & O_NONBLOCK) || (!S_ISFIFO(st.st_mode) && !isatty(STDERR_FILENO)))
		return SINK_PLAIN;
	int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool ok = fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO;
	if (fd >= 0)
		close(fd);
	return ok ? SINK_PLAIN : SINK_MAY_BLOCK;
}

void log_open(const char *process, enum log_severity least, bool json)
{
	logger.sink = open_sink();
	logger.process = process;
	logger.least = least;
	logger.json = json;
}

bool log_parse_severity(const char *text, enum log_severity *out)
{
	for (size_t i = 0; i < sizeof severity_names / sizeof *severity_names; i++) {
		if (strcmp(text, severity_names[i]) == 0) {
			*out = (enum log_severity)i;
			return true;
		}
	}
	return false;
}

void log_set_call(const char *call_sid)
{
	snprintf(logger.call_sid, sizeof logger.call_sid, "%s", call_sid);
}

void log_hide_secret(const char *secret)
{
	if (secret == NULL || strlen(secret) < SECRET_MIN_LEN || logger.secret_count == SECRETS_MAX)
		return;
	for (size_t i = 0; i < logger.secret_count; i++)
		if (strcmp(logger.secrets[i], secret) == 0)
			return;
	char *copy = strdup(secret);
	if (copy != NULL)
		logger.secrets[logger.secret_count++] = copy;
}

/* Replaces the len bytes at `at` by "***"; the text only ever gets shorter. */
static char *mask(char *at, size_t len)
{
	size_t stars = len < 3 ? len : 3;
	memset(at, '*', stars);
	memmove(at + stars, at + len, strlen(at + len) + 1);
	return at + stars;
}

static void scrub_after(char *text, const char *marker)
{
	for (char *at = text; (at = strstr(at, marker)) != NULL;) {
		at += strlen(marker);
		size_t len = 0;
		while (isalnum((unsigned char)at[len]) || at[len] == '-' || at[len] == '_')
			len++;
		if (len > 0)
			at = mask(at, len);
	}
}

/* Keeps country code and area, and the last four digits, of every E.164 number. */
static void scrub_numbers(char *text)
{
	for (char *at = text; (at = strchr(at, '+')) != NULL; at++) {
		size_t digits = strspn(at + 1, "0123456789");
		if (digits >= 9 && digits <= 15)
			mask(at + 5, digits - 8);
	}
}

void log_scrub(char *text, size_t size)
{
	(void)size;
	for (size_t i = 0; i < logger.secret_count; i++)
		for (char *at = text; (at = strstr(at, logger.secrets[i])) != NULL;)
			at = mask(at, strlen(logger.secrets[i]));
	scrub_after(text, "/call/connection-outgoing/");
	scrub_after(text, "/call/connection-incoming/");
	scrub_after(text, "?call=");
	scrub_after(text, "&call=");
	if (logger.least > LOG_SEV_DEBUG)
		scrub_numbers(text);
}

static void timestamp(char *out, size_t size)
{
	struct timespec now;
	struct tm parts;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	size_t n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(out + n, size - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* A whole line of at most size bytes; its length. */
static size_t format_json(char *line, size_t size, const char *when, enum log_severity severity,
			  const char *call_sid, const char *text)
{
	json_t *doc = json_build("{s:s, s:s, s:s, s:i}", "time", when, "level", severity_names[severity],
				 "process", logger.process, "pid", (int)getpid());
	if (call_sid[0] != '\0')
		json_object_set_new(doc, "callSid", json_text(call_sid));
	/* Escapes make it longer, by six at most: what does not fit is cut. */
	size_t n = size, shown = strlen(text);
	for (; n > size - 1; shown /= 2) {
		json_object_set_new(doc, "message", json_text_cut(text, shown));
		n = json_dumpb(doc, line, size - 1, JSON_COMPACT);
	}
	json_decref(doc);
	line[n++] = '\n';
	return n;
}

static size_t format_text(char *line, size_t size, const char *when, enum log_severity severity,
			  const char *call_sid, const char *text)
{
	size_t n = text_printf(line, size - 1, "%s %-5s %s[%d]%s%s: %s", when, severity_names[severity],
			       logger.process, (int)getpid(), call_sid[0] ? " " : "", call_sid, text);
	line[n++] = '\n';
	return n;
}

/* False: it cannot be written now, or at all. */
static bool put(const char *line, size_t len)
{
	struct pollfd writable = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t n;
	if (logger.sink == SINK_MAY_BLOCK && poll(&writable, 1, 0) != 1)
		return false;
	do
		n = logger.sink == SINK_SOCKET ? send(STDERR_FILENO, line, len, MSG_DONTWAIT | MSG_NOSIGNAL)
					       : write(STDERR_FILENO, line, len);
	while (n < 0 && errno == EINTR);
	logger.torn = n > 0 && (size_t)n < len;
	return n > 0;
}

static void put_line(enum log_severity severity, const char *call_sid, const char *text)
{
	char line[LINE_MAX_BYTES], when[40];
	timestamp(when, sizeof when);
	size_t len =
		(logger.json ? format_json : format_text)(line, sizeof line, when, severity, call_sid, text);
	if ((logger.torn && !put("\n", 1)) || !put(line, len))
		logger.dropped++;
}

static void write_text(enum log_severity severity, const char *call_sid, char *text)
{
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	log_scrub(text, LINE_MAX_BYTES);
	unsigned dropped = atomic_exchange(&logger.dropped, 0);
	if (dropped > 0) {
		char told[80];
		snprintf(told, sizeof told, "%u lines could not be written, and were left out", dropped);
		put_line(LOG_SEV_WARN, "", told);
		if (logger.dropped > 0) {
			logger.dropped += dropped; /* nor can the next, which would stand without it */
			return;
		}
	}
	put_line(severity, call_sid, text);
}

static void write_line(enum log_severity severity, const char *call_sid, const char *fmt, va_list args)
{
	char text[LINE_MAX_BYTES];
	if (severity < logger.least)
		return;
	text_vprintf(text, sizeof text, fmt, args);
	write_text(severity, call_sid, text);
}

void log_limited(struct log_limit *l, enum log_severity severity, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	struct timespec now;
	va_list args;
	if (severity < logger.least)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	unsigned left_out = l->left_out;
	if (now.tv_sec >= l->until_s)
		*l = (struct log_limit){.most = l->most, .until_s = now.tv_sec + LOG_LIMIT_PERIOD_S};
	else if (l->written >= (l->most ? l->most : LOG_LIMIT_LINES)) {
		l->left_out++;
		return;
	}
	/* The first of a new minute tells of the last one. */
	l->written++;
	va_start(args, fmt);
	size_t n = text_vprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (l->written == 1 && left_out > 0)
		text_printf(text + n, sizeof text - n, " (%u more such lines were left out)", left_out);
	write_text(severity, logger.call_sid, text);
}

#define DEFINE_LEVEL(name, severity)                              \
	void name(const char *fmt, ...)                           \
	{                                                         \
		va_list args;                                     \
		va_start(args, fmt);                              \
		write_line(severity, logger.call_sid, fmt, args); \
		va_end(args);                                     \
	}

DEFINE_LEVEL(log_debug, LOG_SEV_DEBUG)
DEFINE_LEVEL(log_info, LOG_SEV_INFO)
DEFINE_LEVEL(log_warn, LOG_SEV_WARN)
DEFINE_LEVEL(log_error, LOG_SEV_ERROR)

void log_call(enum log_severity severity, const char *call_sid, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	write_line(severity, call_sid, fmt, args);
	va_end(args);
}
