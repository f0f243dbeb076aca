/*
 * The embedded store: WAL, synchronous FULL, one writer. A collection is a
 * table of JSON documents; what lists are narrowed by are generated columns
 * with an index each, so a new field needs no migration of data.
 */
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/sqlite/sqlite_query.h"
#include "lib/store/tokenize.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { WAL_PAUSE_MS = 20 };

/* ---- writing ---- */

static void add_members(struct sqlite *s, const struct store_collection *c, const char *field,
			const char *key, const json_t *values, struct store_error *error)
{
	size_t i;
	json_t *value;
	json_array_foreach (values, i, value) {
		struct query q = query_start();
		query_append(
			&q,
			"INSERT OR IGNORE INTO members (collection, field, value, key) VALUES ('%s', '%s', ",
			c->name, field);
		query_value(&q, value);
		query_append(&q, ", ");
		query_text(&q, key);
		query_append(&q, ")");
		query_run(s, &q, error);
	}
}

static void index_lists(struct sqlite *s, const struct store_collection *c, const json_t *old,
			const json_t *fresh, struct store_error *error)
{
	const char *old_key = store_key(c, old), *key = store_key(c, fresh);
	bool same_key = old_key != NULL && key != NULL && strcmp(old_key, key) == 0;
	for (const char *const *field = c->lists; *field != NULL; field++) {
		const json_t *before = json_object_get(old, *field), *after = json_object_get(fresh, *field);
		if (same_key && json_equal(before, after))
			continue;
		if (json_array_size(before) > 0) {
			struct query q = query_start();
			query_append(
				&q, "DELETE FROM members WHERE collection = '%s' AND field = '%s' AND key = ",
				c->name, *field);
			query_text(&q, old_key);
			query_run(s, &q, error);
		}
		if (key != NULL)
			add_members(s, c, *field, key, after, error);
	}
}

/* The words of a document's text, by spaces; the caller frees. */
static char *text_words(const struct store_collection *c, const json_t *document)
{
	const char *text = c->text ? json_string_value(json_object_get(document, c->text)) : NULL;
	json_t *words = words_of(text ? text : "", false), *word;
	struct buffer joined = {0};
	size_t i;
	json_array_foreach (words, i, word) {
		buffer_append_text(&joined, i ? " " : "");
		buffer_append_text(&joined, json_string_value(word));
	}
	buffer_append(&joined, "", 1);
	json_decref(words);
	return (char *)joined.data;
}

/* A contentless FTS5 table forgets a row only by being told its text. */
static void index_text(struct sqlite *s, const struct store_collection *c, sqlite3_int64 id,
		       const json_t *old, const json_t *fresh, struct store_error *error)
{
	if (c->text == NULL)
		return;
	char *before = text_words(c, old), *after = text_words(c, fresh);
	json_t *rowid = json_integer(id);
	if (before[0] != '\0' && strcmp(before, after) != 0) {
		struct query q = query_start();
		query_append(&q, "INSERT INTO %s_text (%s_text, rowid, words) VALUES ('delete', ", c->name,
			     c->name);
		query_value(&q, rowid);
		query_append(&q, ", ");
		query_text(&q, before);
		query_append(&q, ")");
		query_run(s, &q, error);
	}
	if (after[0] != '\0' && strcmp(before, after) != 0) {
		struct query q = query_start();
		query_append(&q, "INSERT INTO %s_text (rowid, words) VALUES (", c->name);
		query_value(&q, rowid);
		query_append(&q, ", ");
		query_text(&q, after);
		query_append(&q, ")");
		query_run(s, &q, error);
	}
	json_decref(rowid);
	free(before);
	free(after);
}

/* Writes a document over row id (0: a new row); old is what stood there. */
static bool save(struct sqlite *s, const struct store_collection *c, sqlite3_int64 id, const json_t *old,
		 const json_t *fresh, struct store_error *error)
{
	struct query q = query_start();
	char *text = json_dumps(fresh, JSON_COMPACT | JSON_ENCODE_ANY);
	const char *key = store_key(c, fresh);
	if (key == NULL || text == NULL)
		panic("a document of %s has no %s", c->name, c->key);
	if (id == 0) {
		query_append(&q, "INSERT INTO %s (key, document) VALUES (", c->name);
		query_text(&q, key);
		query_append(&q, ", ");
		query_text(&q, text);
		query_append(&q, ")");
	} else {
		query_append(&q, "UPDATE %s SET key = ", c->name);
		query_text(&q, key);
		query_append(&q, ", document = ");
		query_text(&q, text);
		query_append(&q, " WHERE id = ");
		json_array_append_new(q.binds, json_integer(id));
		query_append(&q, "?");
	}
	free(text);
	if (!query_run(s, &q, error))
		return false;
	id = id ? id : sqlite3_last_insert_rowid(s->db);
	index_lists(s, c, old, fresh, error);
	index_text(s, c, id, old, fresh, error);
	return error->text[0] == '\0';
}

/* ---- reading ---- */

static json_t *column_document(sqlite3_stmt *statement, int i)
{
	const char *text = (const char *)sqlite3_column_text(statement, i);
	json_t *value = text ? json_loadb(text, (size_t)sqlite3_column_bytes(statement, i), 0, NULL) : NULL;
	json_t *sorted = value ? store_sorted(value) : json_null();
	json_decref(value);
	return sorted;
}

/* The document with this value in a field that is found by, and its row; NULL: none, or error. */
static json_t *look_up(struct sqlite *s, const struct store_collection *c, const char *field,
		       const json_t *value, const json_t *where, sqlite3_int64 *id, struct store_error *error)
{
	struct query q = query_start();
	char room[COLUMN_SIZE];
	query_append(&q, "SELECT id, document FROM %s WHERE %s = ", c->name, query_column(c, field, room));
	query_value(&q, value);
	query_where(&q, c, where);
	query_append(&q, " LIMIT 1");
	sqlite3_stmt *statement = query_ready(s, &q, error);
	int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
	json_t *document = NULL;
	if (code == SQLITE_ROW) {
		*id = sqlite3_column_int64(statement, 0);
		document = column_document(statement, 1);
	} else if (code != SQLITE_DONE) {
		query_error(s, error);
	}
	query_done(&q, statement);
	return document;
}

static json_t *get(void *self, const struct store_collection *c, const json_t *args,
		   struct store_error *error)
{
	sqlite3_int64 id;
	json_t *document = look_up(self, c, json_string_value(json_object_get(args, "field")),
				   json_object_get(args, "value"), NULL, &id, error);
	return document || error->text[0] ? document : json_null();
}

static json_t *find(void *self, const struct store_collection *c, const json_t *args,
		    struct store_error *error)
{
	struct sqlite *s = self;
	struct query q = query_start();
	const json_t *after = json_object_get(args, "after");
	const char *order = json_string_value(json_object_get(args, "order"));
	bool ascending = json_is_true(json_object_get(args, "ascending"));
	char room[COLUMN_SIZE];
	const char *by = query_column(c, order ? order : c->order, room), *way = ascending ? "ASC" : "DESC";
	query_append(&q, "SELECT document FROM %s WHERE 1", c->name);
	query_where(&q, c, json_object_get(args, "where"));
	if (after != NULL) {
		query_append(&q, " AND (%s, key) %s (", by, ascending ? ">" : "<");
		query_value(&q, json_array_get(after, 0));
		query_append(&q, ", ");
		query_value(&q, json_array_get(after, 1));
		query_append(&q, ")");
	}
	query_append(&q, " ORDER BY %s %s, key %s LIMIT ", by, way, way);
	query_value(&q, json_object_get(args, "limit"));
	sqlite3_stmt *statement = query_ready(s, &q, error);
	json_t *documents = json_array();
	int code = statement ? SQLITE_ROW : SQLITE_DONE;
	while (statement != NULL && (code = sqlite3_step(statement)) == SQLITE_ROW)
		json_array_append_new(documents, column_document(statement, 0));
	if (code != SQLITE_DONE)
		query_error(s, error);
	query_done(&q, statement);
	return documents;
}

static json_t *count(void *self, const struct store_collection *c, const json_t *args,
		     struct store_error *error)
{
	struct sqlite *s = self;
	struct query q = query_start();
	query_append(&q, "SELECT count(*) FROM (SELECT 1 FROM %s WHERE 1", c->name);
	query_where(&q, c, json_object_get(args, "where"));
	query_append(&q, " LIMIT ");
	query_value(&q, json_object_get(args, "limit"));
	query_append(&q, ")");
	sqlite3_stmt *statement = query_ready(s, &q, error);
	json_t *result = NULL;
	if (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		result = json_integer(sqlite3_column_int64(statement, 0));
	else
		query_error(s, error);
	query_done(&q, statement);
	return result;
}

/* ---- the writing verbs ---- */

static json_t *put(void *self, const struct store_collection *c, const json_t *args,
		   struct store_error *error)
{
	const json_t *document = json_object_get(args, "document");
	sqlite3_int64 id = 0;
	json_t *old = look_up(self, c, c->key, json_object_get(document, c->key), NULL, &id, error);
	json_t *fresh = old ? json_copy(old) : json_object();
	json_object_update(fresh, (json_t *)document);
	if (error->text[0] == '\0')
		save(self, c, id, old, fresh, error);
	json_decref(old);
	json_decref(fresh);
	return json_object();
}

static json_t *insert(void *self, const struct store_collection *c, const json_t *args,
		      struct store_error *error)
{
	json_t *document = json_object_get(args, "document");
	sqlite3_int64 id = 0;
	json_t *there = look_up(self, c, c->key, json_object_get(document, c->key), NULL, &id, error);
	if (there == NULL && error->text[0] == '\0')
		save(self, c, 0, NULL, document, error);
	return json_build("{s:b, s:o}", "inserted", there == NULL, "document",
			  there ? there : store_sorted(document));
}

static json_t *update(void *self, const struct store_collection *c, const json_t *args,
		      struct store_error *error)
{
	sqlite3_int64 id = 0;
	const char *field = json_string_value(json_object_get(args, "field"));
	json_t *old = look_up(self, c, field ? field : c->key, json_object_get(args, "key"),
			      json_object_get(args, "where"), &id, error);
	if (old == NULL)
		return error->text[0] ? NULL : json_null();
	json_t *changed = store_changed(old, args), *fresh = store_sorted(changed);
	save(self, c, id, old, fresh, error);
	json_decref(changed);
	json_decref(old);
	return fresh;
}

static json_t *remove_documents(void *self, const struct store_collection *c, const json_t *args,
				struct store_error *error)
{
	struct sqlite *s = self;
	struct query q = query_start();
	json_t *rows = json_array(), *row;
	size_t i;
	query_append(&q, "SELECT id, document FROM %s WHERE 1", c->name);
	query_where(&q, c, json_object_get(args, "where"));
	sqlite3_stmt *statement = query_ready(s, &q, error);
	while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
		json_array_append_new(rows,
				      json_build("[I, o]", (json_int_t)sqlite3_column_int64(statement, 0),
						 column_document(statement, 1)));
	query_done(&q, statement);
	json_array_foreach (rows, i, row) {
		json_t *old = json_array_get(row, 1);
		struct query gone = query_start();
		query_append(&gone, "DELETE FROM %s WHERE id = ", c->name);
		query_value(&gone, json_array_get(row, 0));
		if (!query_run(s, &gone, error))
			break;
		index_lists(s, c, old, NULL, error);
		index_text(s, c, json_integer_value(json_array_get(row, 0)), old, NULL, error);
	}
	if (json_array_size(rows) > 0)
		sqlite_scrub_later(s, c, error);
	json_t *removed = json_integer((json_int_t)json_array_size(rows));
	json_decref(rows);
	return removed;
}

/* ---- opening ---- */

static void tick(void *self)
{
	sqlite_scrub(self);
}

static int tick_again_ms(void *self)
{
	return sqlite_scrub_again_ms(self);
}

static bool begin(void *self)
{
	struct sqlite *s = self;
	struct store_error ignored = {.text = ""};
	s->begun = sqlite_execute(s, "BEGIN IMMEDIATE", &ignored);
	return s->begun;
}

static bool end(void *self)
{
	struct sqlite *s = self;
	struct store_error ignored = {.text = ""};
	if (!s->begun)
		return true;
	bool spoilt = s->spoilt;
	s->begun = s->spoilt = false;
	if (!spoilt && sqlite_execute(s, "COMMIT", &ignored)) {
		sqlite_scrub(s);
		return true;
	}
	if (!sqlite3_get_autocommit(s->db))
		sqlite_execute(s, "ROLLBACK", &ignored);
	return false;
}

static void close_store(void *self)
{
	struct sqlite *s = self;
	for (int i = 0; i < CACHED; i++)
		sqlite3_finalize(s->cache[i]);
	sqlite3_close(s->db);
	free(s);
}

/*
 * Turning the WAL on needs the file for itself, and SQLite does not wait for
 * that (sqlite.org/wal.html, "busy"): another daemon may be opening it just now.
 */
static bool turn_wal_on(struct sqlite *s, struct store_error *error)
{
	const struct timespec pause = {0, WAL_PAUSE_MS * 1000000L};
	int code = SQLITE_BUSY;
	for (int waited = 0; code == SQLITE_BUSY && waited <= SQLITE_BUSY_MS; waited += WAL_PAUSE_MS) {
		if (waited > 0)
			nanosleep(&pause, NULL);
		code = sqlite3_exec(s->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
	}
	if (code != SQLITE_OK)
		query_error(s, error);
	return code == SQLITE_OK;
}

struct store_backend *sqlite_backend_open(const char *path, bool lasting, struct store_error *error)
{
	struct sqlite *s = xcalloc(1, sizeof *s);
	mode_t before = umask(0077);
	int code = sqlite3_open_v2(path, &s->db,
				   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	umask(before);
	bool ok = code == SQLITE_OK;
	if (!ok)
		text_printf(error->text, sizeof error->text, "%s cannot be opened: %s", path,
			    s->db ? sqlite3_errmsg(s->db) : "out of memory");
	sqlite3_busy_timeout(s->db, SQLITE_BUSY_MS);
	ok = ok && turn_wal_on(s, error) && sqlite_execute(s, "PRAGMA secure_delete = ON", error) &&
	     sqlite_execute(s, lasting ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
			    error) &&
	     sqlite_make_schema(s, path, error) && sqlite_scrub_open(s, error);
	if (!ok) {
		close_store(s);
		return NULL;
	}
	struct store_backend *backend = xcalloc(1, sizeof *backend);
	*backend = (struct store_backend){.kind = "sqlite",
					  .self = s,
					  .tick = tick,
					  .tick_again_ms = tick_again_ms,
					  .begin = begin,
					  .end = end,
					  .close = close_store,
					  .put = put,
					  .insert = insert,
					  .get = get,
					  .find = find,
					  .count = count,
					  .update = update,
					  .remove = remove_documents};
	return backend;
}
