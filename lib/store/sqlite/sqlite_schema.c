/* Tables, generated columns and indexes: made where they are missing, at each start. */
#include "lib/base/text.h"
#include "lib/store/sqlite/sqlite_query.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SCHEMA = 2 }; /* PRAGMA user_version */

static int number_of(struct sqlite *s, const char *sql)
{
	sqlite3_stmt *statement;
	int number = -1;
	if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		number = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return number;
}

static bool statement(struct sqlite *s, struct store_error *error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static bool statement(struct sqlite *s, struct store_error *error, const char *fmt, ...)
{
	va_list args;
	char sql[512];
	va_start(args, fmt);
	vsnprintf(sql, sizeof sql, fmt, args);
	va_end(args);
	return sqlite_execute(s, sql, error);
}

static bool make_column(struct sqlite *s, const struct store_collection *c, const char *field,
			struct store_error *error)
{
	char sql[256];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM pragma_table_xinfo('%s') WHERE name = '%s'", c->name,
		 field);
	return strcmp(field, c->key) == 0 || number_of(s, sql) > 0 ||
	       statement(s, error, "ALTER TABLE %s ADD COLUMN %s AS (json_extract(document, '$.%s')) VIRTUAL",
			 c->name, field, field);
}

static bool make_collection(struct sqlite *s, const struct store_collection *c, struct store_error *error)
{
	bool ok = statement(s, error,
			    "CREATE TABLE IF NOT EXISTS %s (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,"
			    " document TEXT NOT NULL)",
			    c->name) &&
		  make_column(s, c, c->order, error) &&
		  statement(s, error, "CREATE INDEX IF NOT EXISTS %s_list ON %s (%s DESC, key DESC)", c->name,
			    c->name, c->order);
	for (const char *const *f = c->filters; ok && *f != NULL; f++)
		ok = make_column(s, c, *f, error) &&
		     statement(s, error, "CREATE INDEX IF NOT EXISTS %s_%s ON %s (%s, %s DESC, key DESC)",
			       c->name, *f, c->name, *f, c->order);
	for (const char *const *f = c->finds; ok && *f != NULL; f++)
		ok = make_column(s, c, *f, error) &&
		     statement(s, error, "CREATE INDEX IF NOT EXISTS %s_%s ON %s (%s) WHERE %s IS NOT NULL",
			       c->name, *f, c->name, *f, *f);
	if (ok && c->text != NULL)
		ok = statement(s, error,
			       "CREATE VIRTUAL TABLE IF NOT EXISTS %s_text USING fts5(words, content='',"
			       " detail=none, tokenize='ascii')",
			       c->name);
	return ok;
}

bool sqlite_make_schema(struct sqlite *s, const char *path, struct store_error *error)
{
	int version = number_of(s, "PRAGMA user_version");
	if (version < 0) {
		query_error(s, error);
		return false;
	}
	if (version > SCHEMA) {
		text_printf(error->text, sizeof error->text,
			    "%s was written by a newer phony (schema %d, this one knows %d)", path, version,
			    SCHEMA);
		return false;
	}
	/* Two processes open the store at once: the one that is later finds everything made. */
	bool ok = sqlite_execute(s, "BEGIN IMMEDIATE", error) &&
		  sqlite_execute(
			  s,
			  "CREATE TABLE IF NOT EXISTS members (collection TEXT NOT NULL, field TEXT NOT NULL,"
			  " value TEXT NOT NULL, key TEXT NOT NULL,"
			  " PRIMARY KEY (collection, field, value, key)) WITHOUT ROWID;"
			  "CREATE INDEX IF NOT EXISTS members_key ON members (collection, field, key);"
			  "CREATE TABLE IF NOT EXISTS unscrubbed (collection TEXT PRIMARY KEY)",
			  error);
	for (int i = 0; ok && i < STORE_TABLES; i++)
		ok = make_collection(s, &store_collections[i], error);
	ok = ok && (version == 1 || statement(s, error, "PRAGMA user_version = %d", SCHEMA)) &&
	     sqlite_execute(s, "COMMIT", error);
	if (!ok && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return ok && (version != 1 || sqlite_migrate(s, error));
}
