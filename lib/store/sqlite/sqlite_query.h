/* SQL in the making: pieces, bound values, filters; prepared statements kept. */
#ifndef PHONY_STORE_SQLITE_SQLITE_QUERY_H
#define PHONY_STORE_SQLITE_SQLITE_QUERY_H

#include "lib/base/buffer.h"
#include "lib/store/backend.h"

#include <sqlite3.h>

enum { CACHED = 128, COLUMN_SIZE = 96 };

struct sqlite {
	sqlite3 *db;
	sqlite3_stmt *cache[CACHED]; /* prepared statements kept */
	bool begun;
	bool spoilt; /* a write of this transaction failed: none of them is kept */
	/* Of collections, a bit each: what was removed is not gone yet; its merge has begun; has ended. */
	unsigned unscrubbed, merging, merged;
};
enum { SQLITE_BUSY_MS = 5000 };

struct query {
	struct buffer sql;
	json_t *binds;
};

struct query query_start(void);
/* Field and table names come from our own tables only. */
void query_append(struct query *q, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A bound value: "?" in the statement. */
void query_value(struct query *q, const json_t *value);
void query_text(struct query *q, const char *value);
/* " AND …" for each condition of a filter. */
void query_where(struct query *q, const struct store_collection *c, const json_t *where);
/* A field in SQL: the key, a generated column, or what is read out of the document. */
const char *query_column(const struct store_collection *c, const char *field, char room[COLUMN_SIZE]);

/* Ends the building: a statement with its values, ready to step. NULL with error. */
sqlite3_stmt *query_ready(struct sqlite *s, struct query *q, struct store_error *error);
void query_done(struct query *q, sqlite3_stmt *statement);
/* Runs a statement without rows. */
bool query_run(struct sqlite *s, struct query *q, struct store_error *error);

void query_error(struct sqlite *s, struct store_error *error);
/* Runs statements without values or rows. */
bool sqlite_execute(struct sqlite *s, const char *sql, struct store_error *error);

/* sqlite_schema.c: what the collections need. path: for the error's words. */
bool sqlite_make_schema(struct sqlite *s, const char *path, struct store_error *error);

/* sqlite_scrub.c: what an earlier process left; a removal of the transaction at hand. */
bool sqlite_scrub_open(struct sqlite *s, struct store_error *error);
void sqlite_scrub_later(struct sqlite *s, const struct store_collection *c, struct store_error *error);
/* Outside a transaction: does a part of it; then after how long again, 0: never. */
void sqlite_scrub(struct sqlite *s);
int sqlite_scrub_again_ms(const struct sqlite *s);

/* sqlite_migrate.c: from schema 1 to 2, in transactions of its own. False with error. */
bool sqlite_migrate(struct sqlite *s, struct store_error *error);

#endif
