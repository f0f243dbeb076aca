/*
 * Schema 2: a message's key is its requestId for life; in schema 1 it was the
 * messageSid, which changes when Twilio gives a SID. Lists' members and a
 * spool's journal, which name messages by key, follow.
 *
 * A file of years is not done within the time that a daemon has to get ready, nor
 * may the others wait for it: each batch is a transaction, and what was done stays
 * done when the daemon is killed. Several daemons may be at it at once.
 */
#include "lib/store/sqlite/sqlite_query.h"

enum { MIGRATE_ROWS = 5000 };

/* requestId, or what stands in for it. */
#define NEW_KEY "coalesce(json_extract(document, '$.requestId'), key)"
/* Of a batch: rows above the first parameter, up to the second. */
#define BATCH "id > ?1 AND id <= ?2"
#define MOVES "SELECT key FROM sms WHERE " BATCH " AND json_extract(document, '$.requestId') <> key"

/* One requestId in two documents: the message was sent twice. The later keeps its SID as its id. */
static const char separate[] = "UPDATE sms SET document = json_set(document, '$.requestId', key)"
			       " WHERE id NOT IN (SELECT min(id) FROM sms GROUP BY " NEW_KEY ")";

static const char *const batch_steps[] = {
	"UPDATE journal SET document = json_set(document, '$.target', 'sms/' ||"
	" (SELECT json_extract(m.document, '$.requestId') FROM sms m WHERE m.key = substr(journal.target, "
	"5)))"
	" WHERE target IN (SELECT 'sms/' || key FROM (" MOVES "))",
	"UPDATE OR REPLACE members SET key ="
	" (SELECT json_extract(document, '$.requestId') FROM sms WHERE sms.key = members.key)"
	" WHERE collection = 'sms' AND key IN (" MOVES ")",
	"UPDATE sms SET key = " NEW_KEY ", document = json_set(document, '$.requestId', " NEW_KEY ")"
	" WHERE " BATCH " AND json_extract(document, '$.requestId') IS NOT key",
};

/* Changes of documents that were not at hand name them as the database did then. */
static const char last_step[] =
	"UPDATE journal SET document = json_set(document, '$.args.field', 'messageSid')"
	" WHERE json_extract(document, '$.collection') = 'sms' AND json_extract(document, '$.op') = 'update';"
	"PRAGMA user_version = 2";

static bool migrate_sql(struct sqlite *s, const char *sql, struct store_error *error)
{
	if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return true;
	query_error(s, error);
	return false;
}

static bool migrate_step(struct sqlite *s, const char *sql, sqlite3_int64 after, struct store_error *error)
{
	sqlite3_stmt *statement = NULL;
	bool ok = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) == SQLITE_OK &&
		  sqlite3_bind_int64(statement, 1, after) == SQLITE_OK &&
		  sqlite3_bind_int64(statement, 2, after + MIGRATE_ROWS) == SQLITE_OK &&
		  sqlite3_step(statement) == SQLITE_DONE;
	if (!ok)
		query_error(s, error);
	sqlite3_finalize(statement);
	return ok;
}

static sqlite3_int64 migrate_last_id(struct sqlite *s)
{
	sqlite3_stmt *statement = NULL;
	sqlite3_int64 last = 0;
	if (sqlite3_prepare_v2(s->db, "SELECT max(id) FROM sms", -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		last = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return last;
}

static bool migrate_batch(struct sqlite *s, sqlite3_int64 after, struct store_error *error)
{
	bool ok = migrate_sql(s, "BEGIN IMMEDIATE", error);
	for (size_t i = 0; ok && i < sizeof batch_steps / sizeof *batch_steps; i++)
		ok = migrate_step(s, batch_steps[i], after, error);
	return ok && migrate_sql(s, "COMMIT", error);
}

bool sqlite_migrate(struct sqlite *s, struct store_error *error)
{
	bool ok = migrate_sql(s, separate, error);
	for (sqlite3_int64 after = 0; ok && after < migrate_last_id(s); after += MIGRATE_ROWS)
		ok = migrate_batch(s, after, error);
	ok = ok && migrate_sql(s, "BEGIN IMMEDIATE", error) && migrate_sql(s, last_step, error) &&
	     migrate_sql(s, "COMMIT", error);
	if (!ok && !sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return ok;
}
