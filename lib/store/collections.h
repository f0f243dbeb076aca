/*
 * What is kept, and by what it is found: one table from which both backends
 * make their indexes. Names and fields are the original's where it had them.
 *
 * A document is a JSON object. Members named timestamp or …At hold times as
 * wall_format writes them (MongoDB keeps them as dates).
 */
#ifndef PHONY_STORE_COLLECTIONS_H
#define PHONY_STORE_COLLECTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum store_kind {
	STORE_CALLS,
	STORE_TURNS,
	STORE_EVENTS,
	STORE_MESSAGES,
	STORE_CONVERSATIONS,
	STORE_EARLY_STATUSES,
	STORE_OPT_OUTS,
	STORE_BULKS,
	STORE_TEMPLATES,
	STORE_TOMBSTONES,
	STORE_VOICEMAILS,
	STORE_CONTEXTS,
	STORE_INCOMING_CONFIGS,
	STORE_BARRED,
	STORE_QUOTAS,
	STORE_REMOVALS,  /* recordings that Twilio is to remove */
	STORE_DELETIONS, /* what was deleted: for other hosts, and what comes late */
	STORE_HEALTH,
	STORE_COLLECTIONS,                 /* those of the database, which an export holds */
	STORE_JOURNAL = STORE_COLLECTIONS, /* of the spool: what the database has missed */
	STORE_TABLES
};

enum { COLLECTION_FIELDS = 10 };

struct store_collection {
	const char *name;     /* of the table, and in MongoDB */
	const char *key;      /* the field that names a document */
	const char *key_from; /* the field whose value a document without a key gets as its key */
	const char *order;    /* lists are sorted by this field, then by key */
	const char *filters[COLLECTION_FIELDS]; /* lists are narrowed by these: an index each */
	const char *finds[COLLECTION_FIELDS];   /* found by the value of these alone */
	const char *lists[3];                   /* arrays of texts, found by their members */
	const char *text;                       /* searched by its words, or NULL */
	const char *hidden[3];                  /* read by an export only: the original's frames */
	bool passing; /* holds nothing of anybody's: what is removed need not be scrubbed */
	/*
	 * Members that hold JSON of others' making: it is kept as a text, so that no
	 * name in it can be one that a database refuses.
	 */
	const char *free_form[4];
};

extern const struct store_collection store_collections[STORE_TABLES];

/* By name; -1 when there is none. */
int store_collection_by_name(const char *name);

/* Whether a member of this name holds a time. */
bool store_field_is_time(const char *field);
/* Whether value, under this name, is a time: its milliseconds in *ms. */
bool store_time_of(const char *field, const json_t *value, long long *ms);

/* The document's key, or NULL. */
const char *store_key(const struct store_collection *c, const json_t *document);
/* A copy that has its key, if only from key_from. Owned by the caller. */
json_t *store_with_key(const struct store_collection *c, const json_t *document);
/* Compares two documents in a list's order (newest first). */
int store_compare(const struct store_collection *c, const char *order, const json_t *a, const json_t *b);

/* "2026-11-25T04:37:12.123Z~SM…": where the page after this document begins. Owned by the caller. */
char *store_cursor(const struct store_collection *c, const char *order, const json_t *document);
/* Splits a cursor; both are owned by the caller. False when it is none that a list has given. */
bool store_cursor_read(const char *cursor, char **order, char **key);

/* Applies {set, unset, add, remove} to a copy of the document. Owned by the caller. */
json_t *store_changed(const json_t *document, const json_t *change);
/* Makes texts of a document's free-form members, in place, and JSON of them again. */
void store_free_as_text(const struct store_collection *c, json_t *document);
void store_free_as_json(const struct store_collection *c, json_t *document);
/* A copy whose members stand in alphabetical order at every level. Owned by the caller. */
json_t *store_sorted(const json_t *value);

#endif
