#include "lib/store/sqlite/sqlite_query.h"

#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void query_error(struct sqlite *s, struct store_error *error)
{
	/* https://www.sqlite.org/rescode.html: what is about the statement and its values, not the file. */
	static const int refused[] = {SQLITE_ERROR,    SQLITE_TOOBIG, SQLITE_CONSTRAINT,
				      SQLITE_MISMATCH, SQLITE_MISUSE, SQLITE_RANGE};
	int code = sqlite3_errcode(s->db) & 0xff;
	error->failure = STORE_BUSY;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (refused[i] == code)
			error->failure = STORE_REFUSED;
	if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		text_printf(error->text, sizeof error->text,
			    "%s is damaged (%s): end phony, then restore it from a copy, or move it away",
			    sqlite3_db_filename(s->db, "main"), sqlite3_errmsg(s->db));
	else
		text_printf(error->text, sizeof error->text, "the store failed: %s", sqlite3_errmsg(s->db));
}

bool sqlite_execute(struct sqlite *s, const char *sql, struct store_error *error)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	query_error(s, error);
	return false;
}

static unsigned hash(const char *text)
{
	unsigned h = 2166136261u;
	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

static sqlite3_stmt *cached(struct sqlite *s, const char *sql)
{
	sqlite3_stmt **slot = &s->cache[hash(sql) % CACHED];
	if (*slot != NULL && strcmp(sqlite3_sql(*slot), sql) == 0)
		return *slot;
	sqlite3_finalize(*slot);
	if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, slot, NULL) != SQLITE_OK)
		*slot = NULL;
	return *slot;
}

static void bind_value(sqlite3_stmt *statement, int i, const json_t *value)
{
	if (json_is_string(value))
		sqlite3_bind_text(statement, i, json_string_value(value), (int)json_string_length(value),
				  SQLITE_STATIC);
	else if (json_is_integer(value))
		sqlite3_bind_int64(statement, i, json_integer_value(value));
	else if (json_is_boolean(value))
		sqlite3_bind_int(statement, i, json_is_true(value));
	else if (json_is_real(value))
		sqlite3_bind_double(statement, i, json_real_value(value));
	else
		sqlite3_bind_null(statement, i);
}

/* Field and table names come from our own tables only. */
void query_append(struct query *q, const char *fmt, ...)
{
	va_list args;
	char text[512];
	va_start(args, fmt);
	int len = vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof text)
		panic("a statement's part is too long");
	buffer_append_text(&q->sql, text);
}

/* Appends a bound value: "?" in the statement. */
void query_value(struct query *q, const json_t *value)
{
	query_append(q, "?");
	json_array_append(q->binds, (json_t *)value);
}

void query_text(struct query *q, const char *value)
{
	query_append(q, "?");
	json_array_append_new(q->binds, json_text(value));
}

struct query query_start(void)
{
	return (struct query){{0}, json_array()};
}

/* Ends the building: a statement with its values, ready to step. NULL with error. */
sqlite3_stmt *query_ready(struct sqlite *s, struct query *q, struct store_error *error)
{
	size_t i;
	json_t *value;
	buffer_append(&q->sql, "", 1);
	sqlite3_stmt *statement = cached(s, (char *)q->sql.data);
	if (statement == NULL)
		query_error(s, error);
	json_array_foreach (q->binds, i, value)
		bind_value(statement, (int)i + 1, value);
	return statement;
}

void query_done(struct query *q, sqlite3_stmt *statement)
{
	if (statement != NULL) {
		sqlite3_reset(statement);
		sqlite3_clear_bindings(statement);
	}
	buffer_free(&q->sql);
	json_decref(q->binds);
}

/* On these SQLite may roll all of a transaction back by itself (sqlite.org/lang_transaction.html). */
static bool is_spoiling(int code)
{
	return code == SQLITE_FULL || code == SQLITE_IOERR || code == SQLITE_NOMEM;
}

/* Runs a statement without rows. Alone, without what came before it in its transaction, none is run. */
bool query_run(struct sqlite *s, struct query *q, struct store_error *error)
{
	s->spoilt = s->begun && (s->spoilt || sqlite3_get_autocommit(s->db));
	if (s->spoilt) {
		*error = (struct store_error){"the store could not write; is the disk full?", STORE_BUSY};
		query_done(q, NULL);
		return false;
	}
	sqlite3_stmt *statement = query_ready(s, q, error);
	bool ok = statement != NULL && sqlite3_step(statement) == SQLITE_DONE;
	if (!ok) {
		query_error(s, error);
		s->spoilt = s->begun && is_spoiling(sqlite3_errcode(s->db) & 0xff);
	}
	query_done(q, statement);
	return ok;
}

/* ---- filters ---- */

static bool named(const char *const *fields, const char *field)
{
	for (; *fields != NULL; fields++)
		if (strcmp(*fields, field) == 0)
			return true;
	return false;
}

/* A field in SQL: the key, a generated column, or what is read out of the document. */
const char *query_column(const struct store_collection *c, const char *field, char room[COLUMN_SIZE])
{
	if (strcmp(field, c->key) == 0)
		return "key";
	if (strcmp(field, c->order) == 0 || named(c->filters, field) || named(c->finds, field))
		return field;
	snprintf(room, COLUMN_SIZE, "json_extract(document, '$.%s')", field);
	return room;
}

static void append_list_condition(struct query *q, const struct store_collection *c, const char *field,
				  bool all, const json_t *values)
{
	size_t i;
	json_t *value;
	query_append(q, "(0");
	if (all)
		q->sql.len -= 1, query_append(q, "1");
	json_array_foreach (values, i, value) {
		query_append(q,
			     " %s key IN (SELECT key FROM members WHERE collection = '%s' AND field = '%s'"
			     " AND value = ",
			     all ? "AND" : "OR", c->name, field);
		query_value(q, value);
		query_append(q, ")");
	}
	query_append(q, ")");
}

/* FTS5's own syntax: each word quoted, so that none can be an operator. */
static void append_text_condition(struct query *q, const struct store_collection *c, const json_t *words)
{
	struct buffer match = {0};
	size_t i;
	json_t *word;
	json_array_foreach (words, i, word) {
		const char *text = json_string_value(word);
		size_t len = strlen(text);
		bool prefix = len > 0 && text[len - 1] == '*';
		buffer_append_text(&match, i ? " AND \"" : "\"");
		buffer_append(&match, text, prefix ? len - 1 : len);
		buffer_append_text(&match, prefix ? "\" *" : "\"");
	}
	buffer_append(&match, "", 1);
	query_append(q, "id IN (SELECT rowid FROM %s_text WHERE %s_text MATCH ", c->name, c->name);
	query_text(q, (char *)match.data);
	query_append(q, ")");
	buffer_free(&match);
}

static void append_condition(struct query *q, const struct store_collection *c, const json_t *condition)
{
	const char *field = json_string_value(json_array_get(condition, 0));
	const char *op = json_string_value(json_array_get(condition, 1));
	const json_t *value = json_array_get(condition, 2);
	char room[COLUMN_SIZE];
	size_t i;
	json_t *item;
	if (strcmp(op, "or") == 0) {
		query_append(q, "(0");
		json_array_foreach (value, i, item) {
			query_append(q, " OR (1");
			query_where(q, c, item);
			query_append(q, ")");
		}
		query_append(q, ")");
	} else if (strcmp(op, "all") == 0 || strcmp(op, "any") == 0) {
		append_list_condition(q, c, field, op[1] == 'l', value);
	} else if (strcmp(op, "text") == 0) {
		append_text_condition(q, c, value);
	} else if (strcmp(op, "missing") == 0 || strcmp(op, "present") == 0) {
		query_append(q, "%s IS %sNULL", query_column(c, field, room), op[0] == 'p' ? "NOT " : "");
	} else if (strcmp(op, "in") == 0) {
		query_append(q, "%s IN (NULL", query_column(c, field, room));
		json_array_foreach (value, i, item) {
			query_append(q, ", ");
			query_value(q, item);
		}
		query_append(q, ")");
	} else {
		query_append(q, "%s %s ", query_column(c, field, room),
			     strcmp(op, "!=") == 0 ? "IS NOT" : op);
		query_value(q, value);
	}
}

void query_where(struct query *q, const struct store_collection *c, const json_t *where)
{
	size_t i;
	json_t *condition;
	json_array_foreach (where, i, condition) {
		query_append(q, " AND ");
		append_condition(q, c, condition);
	}
}
