/*
 * What is removed is gone from the file, too. secure_delete (sqlite.org/pragma.html)
 * zeroes what a row leaves behind in its page; two places are left:
 *
 * - The text index: a contentless FTS5 table notes that a row is gone, and keeps
 *   its words until its segments are merged (sqlite.org/fts5.html, "merge").
 * - The write-ahead log keeps pages as they were, until a checkpoint truncates it.
 *
 * Both are done when a batch has removed something, within SCRUB_MS at once, so that
 * they are mostly done before the removal is told; the rest in the steps of a tick.
 * The table `unscrubbed` has the collections that are left, should we be killed.
 */
#include "lib/base/clock.h"
#include "lib/store/sqlite/sqlite_query.h"

#include <stdio.h>

enum {
	SCRUB_MS = 50,
	MERGE_PAGES = 64,
	MERGE_AGAIN_MS = 30,
	CHECKPOINT_AGAIN_MS = 500, /* somebody reads */
};

bool sqlite_scrub_open(struct sqlite *s, struct store_error *error)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(s->db, "SELECT collection FROM unscrubbed", -1, &statement, NULL);
	while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		int kind = store_collection_by_name((const char *)sqlite3_column_text(statement, 0));
		if (kind >= 0)
			s->unscrubbed |= 1u << kind;
		code = SQLITE_OK;
	}
	if (code != SQLITE_DONE)
		query_error(s, error);
	sqlite3_finalize(statement);
	return code == SQLITE_DONE;
}

void sqlite_scrub_later(struct sqlite *s, const struct store_collection *c, struct store_error *error)
{
	unsigned bit = 1u << (c - store_collections);
	if (c->passing)
		return;
	if ((s->unscrubbed & bit) == 0) {
		struct query q = query_start();
		query_append(&q, "INSERT OR IGNORE INTO unscrubbed VALUES ('%s')", c->name);
		query_run(s, &q, error);
	}
	s->unscrubbed |= bit;
	s->merging &= ~bit;
	s->merged &= ~bit;
}

/* Merges all segments of a text index into one, a step at a time. True when there is no more to do. */
static bool merge_step(struct sqlite *s, const struct store_collection *c, unsigned bit)
{
	/* A negative number takes all segments up, a positive one goes on with that. */
	int pages = s->merging & bit ? MERGE_PAGES : -MERGE_PAGES, before = sqlite3_total_changes(s->db);
	char sql[128];
	snprintf(sql, sizeof sql, "INSERT INTO %s_text (%s_text, rank) VALUES ('merge', %d)", c->name,
		 c->name, pages);
	int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	s->merging |= code == SQLITE_OK ? bit : 0;
	return code == SQLITE_OK && sqlite3_total_changes(s->db) - before < 2;
}

static bool forget_all(struct sqlite *s)
{
	struct store_error ignored = {.text = ""};
	bool ok = true;
	for (int kind = 0; ok && kind < STORE_TABLES; kind++) {
		struct query q = query_start();
		query_append(&q, "DELETE FROM unscrubbed WHERE collection = '%s'",
			     store_collections[kind].name);
		if ((s->unscrubbed & 1u << kind) != 0)
			ok = query_run(s, &q, &ignored);
		else
			query_done(&q, NULL);
	}
	return ok;
}

void sqlite_scrub(struct sqlite *s)
{
	int64_t until = mono_now().us + SCRUB_MS * 1000;
	unsigned left = s->unscrubbed & ~s->merged;
	if (s->unscrubbed == 0)
		return;
	/* Another process that writes or reads is not waited for: there will be another tick. */
	sqlite3_busy_timeout(s->db, 0);
	for (int kind = 0; kind < STORE_TABLES; kind++) {
		const struct store_collection *c = &store_collections[kind];
		bool done = c->text == NULL;
		while ((left & 1u << kind) != 0 && !done && mono_now().us < until)
			done = merge_step(s, c, 1u << kind);
		s->merged |= done ? 1u << kind : 0;
	}
	if ((s->unscrubbed & ~s->merged) == 0 &&
	    sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK &&
	    forget_all(s))
		s->unscrubbed = s->merging = s->merged = 0;
	sqlite3_busy_timeout(s->db, SQLITE_BUSY_MS);
}

int sqlite_scrub_again_ms(const struct sqlite *s)
{
	if (s->unscrubbed == 0)
		return 0;
	return (s->unscrubbed & ~s->merged) != 0 ? MERGE_AGAIN_MS : CHECKPOINT_AGAIN_MS;
}
