/*
 * Schema 2: a message's key is its requestId for life; in schema 1 it was the
 * messageSid, which changes when Twilio gives a SID. Lists' members and a
 * spool's journal, which name messages by key, follow.
 */
#include "lib/store/sqlite_query.h"

/* requestId, or what stands in for it. */
#define NEW_KEY "coalesce(json_extract(document, '$.requestId'), key)"
#define MOVES "SELECT key FROM sms WHERE json_extract(document, '$.requestId') <> key"

static const char *const steps[] = {
	/* One requestId in two documents: the message was sent twice. The later keeps its SID as its id. */
	"UPDATE sms SET document = json_set(document, '$.requestId', key)"
	" WHERE id NOT IN (SELECT min(id) FROM sms GROUP BY " NEW_KEY ")",
	"UPDATE journal SET document = json_set(document, '$.target', 'sms/' ||"
	" (SELECT json_extract(m.document, '$.requestId') FROM sms m WHERE 'sms/' || m.key = journal.target))"
	" WHERE target IN (SELECT 'sms/' || key FROM (" MOVES "))",
	/* Changes of documents that were not at hand name them as the database did then. */
	"UPDATE journal SET document = json_set(document, '$.args.field', 'messageSid')"
	" WHERE json_extract(document, '$.collection') = 'sms' AND json_extract(document, '$.op') = 'update'",
	"UPDATE OR REPLACE members SET key ="
	" (SELECT json_extract(document, '$.requestId') FROM sms WHERE sms.key = members.key)"
	" WHERE collection = 'sms' AND key IN (" MOVES ")",
	"UPDATE sms SET key = " NEW_KEY ", document = json_set(document, '$.requestId', " NEW_KEY ")"
	" WHERE json_extract(document, '$.requestId') IS NOT key",
};

bool sqlite_migrate(struct sqlite *s, struct store_error *error)
{
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (sqlite3_exec(s->db, steps[i], NULL, NULL, NULL) != SQLITE_OK) {
			query_error(s, error);
			return false;
		}
	return true;
}
