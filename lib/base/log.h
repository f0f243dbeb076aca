/*
 * The one logger. A line is written to standard error with a single write, of at
 * most PIPE_BUF bytes, so lines of several processes sharing the descriptor never mix.
 *
 * Writing never waits: where the reader of a pipe, a socket or a terminal does not
 * keep up, lines are left out, and how many is told as soon as one can be written.
 * Lines that anybody outside can cause have a limit (LOG_OUTSIDE).
 *
 * Every line is scrubbed before it is written: registered secrets and the
 * secret part of stream URLs become "***", and phone numbers are shortened
 * (+1202***0198) unless the level is debug.
 */
#ifndef PHONY_BASE_LOG_H
#define PHONY_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_severity { LOG_SEV_DEBUG, LOG_SEV_INFO, LOG_SEV_WARN, LOG_SEV_ERROR };

/*
 * Names the process in every line from now on; process must outlive the logger.
 * Standard error is opened anew where it could block others' writes, so that its
 * flags are ours: to be called before root is given away.
 */
void log_open(const char *process, enum log_severity least, bool json);

/* Parses a LOG_LEVEL value; false when text names no level. */
bool log_parse_severity(const char *text, enum log_severity *out);

/* Every following line carries this CallSid (a process that serves one call). */
void log_set_call(const char *call_sid);

/* Registers a value that must never appear in a line. Shorter than 6: ignored. */
void log_hide_secret(const char *secret);

/* Scrubs text in place as lines are; exposed for tests and for error texts. */
void log_scrub(char *text, size_t size);

void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A line about one call, in a process that serves many. */
void log_call(enum log_severity severity, const char *call_sid, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * How often a kind of line may be written: `most` times a minute (0: LOG_LIMIT_LINES).
 * Static, one for each place; the next line after a pause tells how many were left out.
 */
struct log_limit {
	unsigned most, written, left_out;
	long long until_s; /* CLOCK_MONOTONIC */
};
enum { LOG_LIMIT_LINES = 20, LOG_LIMIT_PERIOD_S = 60 };

void log_limited(struct log_limit *limit, enum log_severity severity, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A line that somebody outside can cause as often as they like. */
#define LOG_OUTSIDE(severity, ...)                                         \
	do {                                                               \
		static struct log_limit limit_of_this_line;                \
		log_limited(&limit_of_this_line, (severity), __VA_ARGS__); \
	} while (0)

#endif
