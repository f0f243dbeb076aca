/* Two clocks that cannot be mixed: one for durations, one for documents. */
#ifndef PHONY_BASE_CLOCK_H
#define PHONY_BASE_CLOCK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mono_us {
	int64_t us; /* since an arbitrary start, never set back */
};
struct wall_ms {
	int64_t ms; /* since 1970-01-01T00:00:00Z; 0 means never */
};

struct mono_us mono_now(void);
struct wall_ms wall_now(void);

/*
 * Stops both clocks: until the next call it is `at`, and wall is the time of day
 * then (0: as the one before has it). mono_real goes on. For a process whose
 * every step is to be repeatable (callworker/process/flight_recorder.h).
 */
void clock_hold(struct mono_us at, struct wall_ms wall);
void clock_release(void);
struct mono_us mono_real(void);

/* 2026-11-24T16:40:03.120Z */
enum { WALL_TEXT_SIZE = 32 };
void wall_format(struct wall_ms t, char out[WALL_TEXT_SIZE]);
/* The same as JSON text, of milliseconds since 1970. Owned by the caller. */
json_t *wall_json(int64_t ms);

/*
 * ISO 8601 date or date and time, with or without zone (none: UTC).
 * False when text is none of these or names a day that does not exist.
 */
bool wall_parse(const char *text, struct wall_ms *out);

#endif
