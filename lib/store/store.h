/*
 * Where everything is kept: documents in collections (lib/store/collections.h),
 * in SQLite or MongoDB. Every verb returns at once; the work is done on the
 * store's own thread, in the order asked, and its end is told on the loop. A
 * write whose end has no error is durable: in the database, or, while that is
 * away, on local disk until it is back.
 *
 * Filters and changes are JSON that our own code makes (lib/store/backend.h has
 * the operators); what comes from outside is a value in them, never more.
 * Arguments named so are stolen.
 */
#ifndef PHONY_STORE_H
#define PHONY_STORE_H

#include "lib/store/collections.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct store;

/* What a verb's error means for whoever asked. */
enum store_failure {
	STORE_DONE,    /* there is none */
	STORE_AWAY,    /* the database cannot be reached: the same may work later */
	STORE_BUSY,    /* it cannot do this at the moment (locked, disk full …): the same may work later */
	STORE_REFUSED, /* it will never do this: asking again is in vain */
};

/*
 * The end of a verb: result is borrowed, error is NULL or a sentence. With an
 * error there is no result.
 */
typedef void store_fn(void *arg, json_t *result, const char *error);
/* What the error that a store_fn was just given means; another sentence than the store's: STORE_BUSY. */
enum store_failure store_failure(const char *error);

/*
 * Opens the database behind mongodb_url or, when that is "", state_dir/phony.db.
 * `name` tells the processes of a host apart: each has a spool of its own,
 * state_dir/spool-NAME.db. NULL with a sentence in error.
 */
struct store *store_open(struct event_base *base, const char *mongodb_url, const char *state_dir,
			 const char *name, char *error, size_t error_size);
/* Finishes what was asked so far; what is asked later waits for the next such call. Then store_close. */
void store_finish(struct store *s);
/* Finishes what was asked, then closes. */
void store_close(struct store **s);
/* Verbs asked and not yet ended. */
size_t store_pending(const struct store *s);
const char *store_kind_name(const struct store *s); /* "sqlite" or "mongodb" */

/*
 * All of a collection is at hand from now on, should the database go away: settings
 * without which a call would be answered wrongly, or placed that must not be. A copy
 * is kept on local disk and compared every five seconds (lib/store/spool/spool_replica.c); until there
 * has been one, reading it is an error while the database is away, not "none".
 */
void store_replicate(struct store *s, enum store_kind kind);

/* Writes and reads back -> {spooled: writes that wait for the database}. */
void store_check(struct store *s, store_fn *fn, void *arg);

/* Inserts the document, or sets its members in the one that has its key. Copied. -> {} */
void store_put(struct store *s, enum store_kind kind, const json_t *document, store_fn *fn, void *arg);
/* Inserts unless the key is there. Copied. -> {inserted, document} */
void store_insert(struct store *s, enum store_kind kind, const json_t *document, store_fn *fn, void *arg);
/* One document by the value of its key, or of a field that the collection is found by -> it, or null. */
void store_get(struct store *s, enum store_kind kind, const char *field, const char *value, store_fn *fn,
	       void *arg);

struct store_query {
	json_t *where;     /* stolen; NULL: everything */
	const char *order; /* NULL: the collection's; else a field that it is found by */
	bool ascending;    /* NULL order: oldest first */
	int64_t limit;
	const char *cursor; /* nextCursor of the page before, or NULL */
	bool whole;         /* hidden fields, too */
	bool keep;          /* live calls: they are at hand from now on, should the database go away */
};
/* -> {documents: […], nextCursor?, incomplete?: the database is away, there may be more} */
void store_find(struct store *s, enum store_kind kind, const struct store_query *query, store_fn *fn,
		void *arg);
/* How many; the filter is stolen. Counts no further than limit. -> integer */
void store_count(struct store *s, enum store_kind kind, json_t *where, int64_t limit, store_fn *fn,
		 void *arg);

struct store_change {
	const char *key;
	const char *field; /* that has the value `key`: one that the collection is found by; NULL: its key */
	json_t *where;     /* stolen; further conditions, or NULL */
	json_t *set;       /* stolen; members to set, or NULL */
	json_t *unset;     /* stolen; names of members to drop, or NULL */
	json_t *add;       /* stolen; {field: [values]} into an array, each once, or NULL */
	json_t *remove;    /* stolen; {field: [values]} out of it, or NULL */
	bool strict;       /* only where the document is: an error while that cannot be reached */
};
/*
 * Changes one document, atomically -> it as it is now, or null when none fits.
 * While the database is away a change of a document that is not at hand is
 * taken on trust -> {spooled: true}.
 */
void store_update(struct store *s, enum store_kind kind, const struct store_change *change, store_fn *fn,
		  void *arg);
/* Removes what fits; an empty filter removes nothing. The filter is stolen. -> integer */
void store_remove(struct store *s, enum store_kind kind, json_t *where, store_fn *fn, void *arg);

/* Whether text can be a cursor. */
bool store_cursor_valid(const char *text);

/* An event of a call's process. (callId, attempt, seq) is its key: a repeat changes nothing. */
struct store_event {
	const char *call_id;
	int64_t attempt, seq;
	const char *type, *time;
	const json_t *data;
};
/*
 * Types of their own: "turn" {role, content, before?, saidAt?} becomes a turn, at
 * the end or before the one with that seq; "turn-corrected"
 * {turn, content} replaces the content of the turn with that seq and marks it
 * truncated.
 */
void store_add_event(struct store *s, const struct store_event *event, store_fn *fn, void *arg);
/* In order -> {documents: [{attempt, seq, type, timestamp, data}], incomplete?}; type may be NULL. */
void store_events(struct store *s, const char *call_id, const char *type, store_fn *fn, void *arg);
/* What was said in this call is at hand from now on, should the database go away. */
void store_have_turns(struct store *s, const char *call_id);
/*
 * In order -> {documents: [{role, content, timestamp, truncated?, truncatedAt?}], incomplete?}. One of which
 * nothing was heard, a "turn-corrected" without content, is none.
 */
void store_turns(struct store *s, const char *call_id, store_fn *fn, void *arg);
/*
 * Those of them that were told after the first `after`, in order, and "count": how many were told so far,
 * the next `after`. It counts in the order of telling, so none that came late with its place is missed.
 */
void store_turns_after(struct store *s, const char *call_id, int64_t after, store_fn *fn, void *arg);

#endif
