/*
 * How many calls were placed: a stored row that is changed before a call is
 * placed, atomically, so that the limits hold for all hosts of a database and
 * for requests that come at once. The row counts placements by the minute for
 * 24 hours, holds the latest numbers (as keyed digests) to find duplicates of
 * other hosts, and the time of the last emergency shutdown. Deleting calls does
 * not change it.
 *
 * While the database is away a host goes by the row as it last saw it and by
 * what it placed since, which is added to the row when the database is back.
 */
#ifndef PHONY_VOICED_GUARD_RAILS_QUOTA_H
#define PHONY_VOICED_GUARD_RAILS_QUOTA_H

#include "voiced/voiced.h"

struct quota;

enum quota_answer {
	QUOTA_GRANTED,
	QUOTA_HOUR,      /* MAX_CALLS_PER_HOUR */
	QUOTA_DAY,       /* MAX_CALLS_PER_DAY */
	QUOTA_DUPLICATE, /* another host has just placed a call to this number */
	QUOTA_STOPPED,   /* asked for before an emergency shutdown */
	QUOTA_CLOSED,    /* voiced ends: nothing is to be placed */
};

struct quota *quota_new(struct voiced *v);
/* From now on everything is answered with QUOTA_CLOSED, once the store has told its last. */
void quota_close(struct quota *q);
/* The store is closed. */
void quota_free(struct quota **q);

typedef void quota_fn(void *arg, enum quota_answer answer);
/* Counts one placement if that is within the limits. to: NULL when no number is called; asked_ms: when it was
 * asked for. */
void quota_take(struct quota *q, const char *to, int64_t asked_ms, quota_fn *fn, void *arg);
/* What was taken was certainly not placed. */
void quota_give_back(struct quota *q, const char *to);

/* error is NULL when all hosts will know. */
typedef void quota_stop_fn(void *arg, const char *error);
/* From now on nothing is granted that was asked for before, on any host. */
void quota_stop(struct quota *q, quota_stop_fn *fn, void *arg);

/* ---- the row itself: pure functions, for quota.c and its tests ---- */

enum { QUOTA_DUPLICATE_S = 15 };

struct quota_limits {
	unsigned per_hour, per_day;
	const char *host; /* its own duplicates are found elsewhere */
};
/* to: the number's digest, or NULL. */
enum quota_answer quota_row_check(const json_t *row, const struct quota_limits *limits, const char *to,
				  int64_t asked_ms, int64_t now_ms);
void quota_row_add(json_t *row, const char *host, const char *to, int64_t now_ms);
void quota_row_take_back(json_t *row, const char *to, int64_t now_ms);
/*
 * Drops what is older than a day, and numbers older than QUOTA_DUPLICATE_S. What lies in the future, since a
 * clock was set back, is dated now: true, and the row has to be stored.
 */
bool quota_row_prune(json_t *row, int64_t now_ms);

#endif
