/*
 * What a backend is: one file that fills this struct. Its functions run on the
 * store's thread and return a new reference, NULL with a sentence in error.
 *
 * A filter (`where`) is an array of conditions that must all hold:
 * [field, operator, value], made by our own code with values from outside.
 *
 *	= != < <= > >=   a text, number or boolean; != also holds where there is none
 *	in               one of an array
 *	missing present  no value: the field is not there, or is
 *	all any          the array field has all, or one, of the values
 *	text             the searched field has all these words; "reserv*" is a prefix
 *	or               field is null: an array of filters of which one must hold
 */
#ifndef PHONY_STORE_BACKEND_H
#define PHONY_STORE_BACKEND_H

#include "lib/store/store.h"

/* Each backend tells its errors apart in one place: query_error, set_error. */
struct store_error {
	char text[256]; /* "" while all is well */
	enum store_failure failure;
};

typedef json_t *store_backend_fn(void *self, const struct store_collection *c, const json_t *args,
				 struct store_error *error);

struct store_backend {
	const char *kind;
	void *self;
	/* Before each batch. And after how many ms again, when there is none; 0: that is not needed. */
	void (*tick)(void *self);
	int (*tick_again_ms)(void *self);
	/* A batch's first write begins, its end commits. False: nothing can be written, or lasts. */
	bool (*begin)(void *self);
	bool (*end)(void *self);
	void (*close)(void *self);
	/* All of a collection is at hand from now on, should the database go away; NULL: it never does. */
	void (*replicate)(void *self, const struct store_collection *c);
	/* How many writes wait on local disk for the database; NULL: none ever do. */
	size_t (*spooled)(void *self);

	store_backend_fn *put; /* {document}: inserts, or sets its members in the one with this key -> {} */
	store_backend_fn *insert; /* {document} -> {inserted, document}: the one there, when it was there */
	store_backend_fn *get;    /* {field, value} -> the document, or null */
	/*
	 * {where, order?, ascending?, limit, after?, whole?, keep?} -> [document]. Where not all
	 * could be looked at, failure is STORE_AWAY without a text.
	 */
	store_backend_fn *find;
	store_backend_fn *count; /* {where, limit} -> integer */
	store_backend_fn
		*update; /* {key, field?, where, set?, unset?, add?, remove?, strict?} -> document or null */
	store_backend_fn *remove; /* {where} -> integer */
};

/* NULL with a sentence in error. lasting: what is committed survives the power's failure, too. */
struct store_backend *sqlite_backend_open(const char *path, bool lasting, struct store_error *error);
struct store_backend *mongodb_backend_open(const char *url, struct store_error *error);
/*
 * Takes over the database behind url, and keeps at path what is written while
 * that is away, and beside it a mirror (lib/store/spool/mirror.h).
 */
struct store_backend *spool_backend_open(const char *url, const char *path, struct store_error *error);

/* Why a query reads what it reads: MongoDB's explain of a find's arguments, for the tests. */
json_t *mongodb_explain(void *self, const struct store_collection *c, const json_t *args,
			struct store_error *error);
/* Whether the server answers now. Any thread. */
bool mongodb_ping(void *self);
/*
 * Whether it takes a write now, as store_check makes one: a server that waits in
 * vain for a majority answers a ping. Any thread.
 */
bool mongodb_takes_writes(void *self);

#endif
