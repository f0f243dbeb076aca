#include "lib/base/log.h"

#include "lib/base/text.h"

#include "lib/base/json_build.h"

#include <ctype.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, SECRETS_MAX = 32, SECRET_MIN_LEN = 6 };

static struct {
	const char *process;
	enum log_severity least;
	bool json;
	char call_sid[48];
	char *secrets[SECRETS_MAX];
	size_t secret_count;
} logger = {.process = "phony", .least = LOG_SEV_INFO};

static const char *const severity_names[] = {"debug", "info", "warn", "error"};

void log_open(const char *process, enum log_severity least, bool json)
{
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

static int format_json(char *line, size_t size, const char *when, enum log_severity severity,
		       const char *call_sid, const char *text)
{
	json_t *doc = json_build("{s:s, s:s, s:s, s:i}", "time", when, "level", severity_names[severity],
				 "process", logger.process, "pid", (int)getpid());
	if (call_sid[0] != '\0')
		json_object_set_new(doc, "callSid", json_text(call_sid));
	json_object_set_new(doc, "message", json_text(text));
	size_t n = json_dumpb(doc, line, size - 1, JSON_COMPACT);
	json_decref(doc);
	if (n > size - 1)
		n = 0;
	line[n++] = '\n';
	return (int)n;
}

static void write_line(enum log_severity severity, const char *call_sid, const char *fmt, va_list args)
{
	if (severity < logger.least)
		return;
	char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES * 2], when[40];
	vsnprintf(text, sizeof text, fmt, args);
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	log_scrub(text, sizeof text);
	timestamp(when, sizeof when);
	int len;
	if (logger.json)
		len = format_json(line, sizeof line, when, severity, call_sid, text);
	else
		len = snprintf(line, sizeof line, "%s %-5s %s[%d]%s%s: %s\n", when, severity_names[severity],
			       logger.process, (int)getpid(), call_sid[0] ? " " : "", call_sid, text);
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		return; /* nobody left to tell */
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
