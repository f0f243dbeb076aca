#include "lib/store/spool/mirror.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/sqlite/sqlite_query.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	KEPT_MS = 24 * 3600 * 1000,
	SWEEP_S = 600,
	SWEPT_AT_ONCE = 100,
	OPEN_AGAIN_MS = 1000,
	CHANGES_MAX = 10000,
	MIRROR_ALL = 1000000,
};

struct mirror {
	char *path;
	struct store_backend *local; /* NULL: not needed yet, or it cannot be opened at the moment */
	struct mono_us tried, swept;
	bool begun;
	unsigned replicas, whole; /* collections, a bit each: to be here as a whole; are here */
	json_t *changes; /* of this batch, and of earlier ones that could not be written: [{verb, kind, args}]
			  */
};

static bool is_ruined(const struct store_error *error)
{
	return strstr(error->text, "malformed") != NULL || strstr(error->text, "not a database") != NULL;
}

static void remove_file(struct mirror *m)
{
	static const char *const parts[] = {"", "-wal", "-shm"};
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		char *part = xasprintf("%s%s", m->path, parts[i]);
		unlink(part);
		free(part);
	}
}

/* Opens it for the first who needs it: a process without calls has none. On a full disk, later. */
static bool is_open(struct mirror *m)
{
	struct store_error error = {.text = ""};
	if (m->local != NULL)
		return true;
	if (m->tried.us != 0 && mono_now().us - m->tried.us < OPEN_AGAIN_MS * INT64_C(1000))
		return false;
	m->tried = mono_now();
	m->local = sqlite_backend_open(m->path, false, &error);
	if (m->local == NULL && is_ruined(&error)) {
		remove_file(m);
		m->local = sqlite_backend_open(m->path, false, &error);
	}
	if (m->local == NULL)
		log_warn("while the database is away, less is known: %s", error.text);
	return m->local != NULL;
}

static unsigned bit_of(const struct store_collection *c)
{
	return 1u << (c - store_collections);
}

static bool is_mirrored(const struct mirror *m, const struct store_collection *c)
{
	return c == &store_collections[STORE_CALLS] || c == &store_collections[STORE_TURNS] ||
	       (m->replicas & bit_of(c)) != 0;
}

static bool mirrors(struct mirror *m, const struct store_collection *c)
{
	return is_mirrored(m, c) && is_open(m);
}

struct mirror *mirror_new(const char *path)
{
	struct mirror *m = xcalloc(1, sizeof *m);
	m->path = xstrdup(path);
	m->changes = json_array();
	return m;
}

void mirror_free(struct mirror **mm)
{
	struct mirror *m = *mm;
	if (m == NULL)
		return;
	if (m->local != NULL)
		m->local->close(m->local->self);
	free(m->local);
	json_decref(m->changes);
	free(m->path);
	free(m);
	*mm = NULL;
}

static bool begin(struct mirror *m)
{
	if (!m->begun)
		m->begun = m->local->begin(m->local->self);
	return m->begun;
}

/* The result, unless there was an error. */
static json_t *sound(json_t *result, const struct store_error *error)
{
	if (error->text[0] == '\0' && !json_is_null(result))
		return result;
	json_decref(result);
	return NULL;
}

static json_t *apply(struct mirror *m, enum mirror_verb verb, const struct store_collection *c,
		     const json_t *args)
{
	struct store_error error = {.text = ""};
	store_backend_fn *const verbs[] = {[MIRROR_PUT] = m->local->put,
					   [MIRROR_INSERT] = m->local->insert,
					   [MIRROR_UPDATE] = m->local->update,
					   [MIRROR_REMOVE] = m->local->remove};
	json_t *result = verbs[verb](m->local->self, c, args, &error);
	if (error.text[0] != '\0')
		log_debug("not mirrored: %s", error.text);
	return sound(result, &error);
}

/* What could not be written before. Each change may be made again: it says how something is, not how it
 * differs. */
static void catch_up(struct mirror *m)
{
	size_t i;
	json_t *change;
	if (json_array_size(m->changes) == 0 || !is_open(m) || !begin(m))
		return;
	json_array_foreach (m->changes, i, change) {
		int kind = (int)json_integer_value(json_object_get(change, "kind"));
		json_decref(apply(m, (enum mirror_verb)json_integer_value(json_object_get(change, "verb")),
				  &store_collections[kind], json_object_get(change, "args")));
	}
}

json_t *mirror_change(struct mirror *m, enum mirror_verb verb, const struct store_collection *c,
		      const json_t *args)
{
	bool first = json_array_size(m->changes) == 0;
	if (!is_mirrored(m, c))
		return NULL;
	if (json_array_size(m->changes) < CHANGES_MAX)
		json_array_append_new(m->changes,
				      json_build("{s:i, s:i, s:o}", "verb", (int)verb, "kind",
						 (int)(c - store_collections), "args", json_deep_copy(args)));
	if (!first && !m->begun)
		catch_up(m); /* this one among them */
	else if (is_open(m) && begin(m))
		return apply(m, verb, c, args);
	return NULL;
}

json_t *mirror_get(struct mirror *m, const struct store_collection *c, const json_t *args)
{
	struct store_error error = {.text = ""};
	return mirrors(m, c) ? sound(m->local->get(m->local->self, c, args, &error), &error) : NULL;
}

json_t *mirror_find(struct mirror *m, const struct store_collection *c, const json_t *args)
{
	struct store_error error = {.text = ""};
	return mirrors(m, c) ? sound(m->local->find(m->local->self, c, args, &error), &error) : NULL;
}

static void drop(struct mirror *m, enum store_kind kind, const char *field, const char *value)
{
	json_t *args = json_build("{s:[[s, s, s]]}", "where", field, "=", value);
	json_decref(mirror_change(m, MIRROR_REMOVE, &store_collections[kind], args));
	json_decref(args);
}

/* A call that was deleted, by another host perhaps, is none of ours any more. */
static void drop_deleted(struct mirror *m, const char *record)
{
	static const char of_call[] = "calls/";
	if (record == NULL || strncmp(record, of_call, sizeof of_call - 1) != 0)
		return;
	const char *id = record + sizeof of_call - 1;
	json_t *by_id = json_build("{s:s, s:s, s:[[s, s, s]], s:i}", "field", "callId", "value", id, "where",
				   "callId", "=", id, "limit", 1);
	json_t *call = mirror_get(m, &store_collections[STORE_CALLS], by_id);
	json_t *turns = mirror_find(m, &store_collections[STORE_TURNS], by_id);
	if (json_array_size(turns) > 0)
		drop(m, STORE_TURNS, "callId", id);
	if (call != NULL)
		drop(m, STORE_CALLS, "callId", id);
	json_decref(call);
	json_decref(turns);
	json_decref(by_id);
}

void mirror_learn(struct mirror *m, const struct store_collection *c, const json_t *documents, bool keep)
{
	size_t i;
	json_t *document;
	json_array_foreach (documents, i, document) {
		if (c == &store_collections[STORE_DELETIONS])
			drop_deleted(m, json_string_value(json_object_get(document, "record")));
		if (!keep ||
		    (c == &store_collections[STORE_CALLS] && json_object_get(document, "endedAt") != NULL))
			continue;
		json_t *args = json_build("{s:O}", "document", document);
		json_decref(mirror_change(m, MIRROR_PUT, c, args));
		json_decref(args);
	}
}

/* Words without a call: merely read, once, by an earlier version. */
static void drop_orphans(struct mirror *m)
{
	struct store_error error = {.text = ""};
	struct sqlite *s = m->local->self;
	struct query q = query_start();
	query_append(&q, "DELETE FROM turns WHERE callId NOT IN (SELECT key FROM calls)");
	if (!begin(m)) {
		query_done(&q, NULL);
		return;
	}
	int before = sqlite3_total_changes(s->db);
	if (query_run(s, &q, &error) && sqlite3_total_changes(s->db) > before)
		sqlite_scrub_later(s, &store_collections[STORE_TURNS], &error);
}

static void sweep(struct mirror *m)
{
	char before[WALL_TEXT_SIZE];
	wall_format((struct wall_ms){wall_now().ms - KEPT_MS}, before);
	json_t *args =
		json_build("{s:[[s, s, s]], s:i}", "where", "startedAt", "<", before, "limit", SWEPT_AT_ONCE);
	json_t *old = mirror_find(m, &store_collections[STORE_CALLS], args), *call;
	size_t i;
	json_array_foreach (old, i, call) {
		const char *id = json_string_value(json_object_get(call, "callId"));
		drop(m, STORE_TURNS, "callId", id ? id : "");
		drop(m, STORE_CALLS, "callId", id ? id : "");
	}
	json_decref(old);
	json_decref(args);
}

/* ---- whole collections ---- */

void mirror_replicate(struct mirror *m, const struct store_collection *c)
{
	m->replicas |= bit_of(c);
}

/* The document of STORE_HEALTH that tells, also a later process, that a collection is here as a whole. */
static json_t *whole_mark(const struct store_collection *c)
{
	return json_text_printf("whole/%s", c->name);
}

bool mirror_is_whole(struct mirror *m, const struct store_collection *c)
{
	struct store_error error = {.text = ""};
	if ((m->replicas & bit_of(c)) == 0 || !is_open(m))
		return false;
	if ((m->whole & bit_of(c)) == 0) {
		json_t *args = json_build("{s:s, s:o}", "field", "host", "value", whole_mark(c));
		json_t *mark = m->local->get(m->local->self, &store_collections[STORE_HEALTH], args, &error);
		m->whole |= json_is_object(mark) ? bit_of(c) : 0;
		json_decref(mark);
		json_decref(args);
	}
	return (m->whole & bit_of(c)) != 0;
}

static json_t *by_key(const struct store_collection *c, const json_t *documents)
{
	json_t *all = json_object(), *document;
	size_t i;
	json_array_foreach (documents, i, document)
		if (store_key(c, document) != NULL)
			json_object_set(all, store_key(c, document), document);
	return all;
}

/* Only what differs is written; what has gone goes, and what has changed loses the members it lost. */
void mirror_replace(struct mirror *m, const struct store_collection *c, const json_t *documents)
{
	json_t *all = json_build("{s:i}", "limit", MIRROR_ALL), *document;
	json_t *found = mirror_find(m, c, all), *here = by_key(c, found), *there = by_key(c, documents);
	const char *key;
	json_object_foreach (here, key, document)
		if (!json_equal(document, json_object_get(there, key)))
			drop(m, (enum store_kind)(c - store_collections), c->key, key);
	json_object_foreach (there, key, document) {
		json_t *args = json_build("{s:O}", "document", document);
		if (!json_equal(document, json_object_get(here, key)))
			json_decref(mirror_change(m, MIRROR_INSERT, c, args));
		json_decref(args);
	}
	/* Behind all of them: without it nothing is taken for whole. */
	if (found != NULL && !mirror_is_whole(m, c) && begin(m)) {
		json_t *args = json_build("{s:{s:o, s:o}}", "document", "host", whole_mark(c), "checkedAt",
					  wall_json(wall_now().ms));
		json_decref(apply(m, MIRROR_PUT, &store_collections[STORE_HEALTH], args));
		json_decref(args);
	}
	json_decref(here);
	json_decref(there);
	json_decref(found);
	json_decref(all);
}

void mirror_tick(struct mirror *m)
{
	m->begun = false;
	if (m->local != NULL)
		m->local->tick(m->local->self);
	catch_up(m);
	if (m->swept.us != 0 && mono_now().us - m->swept.us < SWEEP_S * INT64_C(1000000))
		return;
	m->swept = mono_now();
	/* Also what an earlier process left, though this one has no calls yet. */
	if (m->local == NULL && (access(m->path, F_OK) != 0 || !is_open(m)))
		return;
	sweep(m);
	drop_orphans(m);
}

void mirror_end(struct mirror *m)
{
	if (m->begun && m->local->end(m->local->self))
		json_array_clear(m->changes);
	else if (m->begun)
		log_debug("the mirror cannot be written for the moment");
	m->begun = false;
}
