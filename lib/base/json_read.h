/*
 * The one reader of JSON from outside: arguments of the HTTP API (query
 * parameters included) and of MCP tools, answers of Twilio and of providers,
 * frames of other processes. Values mean what they mean in JSON Schema:
 *
 * - A number without a fraction is an integer however it is written: 5, 5.0, 5e0.
 * - null in an optional field is the same as no such field.
 * - Members that nobody asked for do not matter; arguments are logged then.
 *
 * A reader collects every fault, by field name, so a person is told all of them
 * at once:
 *
 *	struct json_reader r;
 *	json_read_open(&r, body);
 *	json_read_text(&r, "toNumber", JSON_NEEDED, 1, 16, &to);
 *	json_read_close(&r, JSON_OTHERS_LOGGED);
 *	if (!json_read_ok(&r)) … r.faults …
 *
 * Texts point into the JSON and live as long as it does. Absent optional
 * fields leave the target as it was.
 */
#ifndef PHONY_BASE_JSON_READ_H
#define PHONY_BASE_JSON_READ_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum json_presence { JSON_OPTIONAL, JSON_NEEDED };
/* What becomes of members that were not asked for. */
enum json_strictness {
	JSON_OTHERS_TOO,    /* nothing: a peer's answer, which may grow */
	JSON_OTHERS_LOGGED, /* a log line names them: somebody's arguments */
	JSON_KNOWN_ONLY,    /* a fault: phony's own frames and files */
};
enum { JSON_SEEN_MAX = 64 };

struct json_reader {
	const json_t *object;
	char faults[512]; /* "toNumber is missing; limit must be 1 to 200" */
	const char *seen[JSON_SEEN_MAX];
	unsigned seen_count;
};

void json_read_open(struct json_reader *r, const json_t *value);
/* Whether the member is there and not null. Whether it was asked for is noted. */
bool json_read_given(struct json_reader *r, const char *name);
/* Lengths are in bytes of UTF-8. */
void json_read_text(struct json_reader *r, const char *name, enum json_presence presence, size_t min_len,
		    size_t max_len, const char **out);
void json_read_int(struct json_reader *r, const char *name, enum json_presence presence, int64_t min,
		   int64_t max, int64_t *out);
void json_read_bool(struct json_reader *r, const char *name, enum json_presence presence, bool *out);
/* Any JSON value; borrowed. */
void json_read_any(struct json_reader *r, const char *name, enum json_presence presence, json_t **out);
void json_read_object(struct json_reader *r, const char *name, enum json_presence presence, json_t **out);
/* A phone number in E.164. */
void json_read_number(struct json_reader *r, const char *name, enum json_presence presence, const char **out);
/* Whatever a call or a message may come from (address_valid in lib/base/e164.h): for filters. */
void json_read_address(struct json_reader *r, const char *name, enum json_presence presence,
		       const char **out);
/* An ISO 8601 date or date and time, with or without zone: milliseconds since 1970. */
void json_read_time(struct json_reader *r, const char *name, enum json_presence presence, int64_t *ms);
/*
 * A moment at which something is to be done: an ISO 8601 date and time with its
 * zone. Without one a reader and a writer in two zones mean two moments, so that
 * is a fault; *ms is what UTC would make of it.
 */
void json_read_moment(struct json_reader *r, const char *name, enum json_presence presence, int64_t *ms);
/* The end of a span: of the whole day, when it is a date alone. The first ms that is outside. */
void json_read_until(struct json_reader *r, const char *name, enum json_presence presence, int64_t *ms);
/* One of `words`, which ends with NULL. */
void json_read_word(struct json_reader *r, const char *name, enum json_presence presence,
		    const char *const *words, const char **out);
/* An array of min to max texts, each of 1 to max_len bytes. Borrowed. */
void json_read_texts(struct json_reader *r, const char *name, enum json_presence presence, size_t min,
		     size_t max, size_t max_len, json_t **out);
/* Adds a fault of the caller's own. */
void json_read_fault(struct json_reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void json_read_close(struct json_reader *r, enum json_strictness strictness);
bool json_read_ok(const struct json_reader *r);

/* Whether value is a number without a fraction that fits *out. */
bool json_whole(const json_t *value, int64_t *out);

/* Parses exactly one JSON object; NULL with a sentence in error. Owned by the caller. */
json_t *json_parse_object(const char *bytes, size_t len, char *error, size_t error_size);

#endif
