/*
 * MongoDB, with a spool. While the database is away, writes go to a file of
 * SQLite beside us: the documents themselves, which reads see at once, and a
 * journal of what the database has missed. When it is back the journal is
 * worked off in order; until that is done, writes still go to its end.
 *
 * A document that was begun here is sent as it is when its turn comes, so no
 * other host ever sees an earlier state of it. A change of a document that is
 * not at hand is kept as it was asked for.
 */
#include "lib/base/json_build.h"
#include "lib/base/text.h"
#include "lib/store/spool/spool_inside.h"

#include "lib/base/log.h"
#include "lib/base/panic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TICK_MS = 500, /* looks whether the database is back */
	SOON_MS = 30,  /* brings the next part of what it missed */
	REMOVED_MAX = 1000000,
};

bool spool_begin_local(struct spool *s, struct store_error *error)
{
	bool unread = s->uncounted && s->seq == 0; /* where would it go on? */
	if (!s->begun && !unread)
		s->begun = s->local->begin(s->local->self);
	if (!s->begun)
		*error = (struct store_error){
			"the database is away and the spool cannot be written; is the disk full?",
			STORE_BUSY};
	return s->begun;
}

json_t *spool_change(struct spool *s, enum mirror_verb verb, const struct store_collection *c,
		     const json_t *args, struct store_error *error)
{
	store_backend_fn *const verbs[] = {[MIRROR_PUT] = s->db->put,
					   [MIRROR_INSERT] = s->db->insert,
					   [MIRROR_UPDATE] = s->db->update,
					   [MIRROR_REMOVE] = s->db->remove};
	json_t *result = verbs[verb](s->db->self, c, args, error);
	if (error->text[0] == '\0')
		json_decref(mirror_change(s->mirror, verb, c, args));
	return result;
}

bool spool_is_direct(const struct spool *s)
{
	return !s->away && s->pending == 0 && !s->uncounted;
}

/* ---- the local documents ---- */

static json_t *by_field(const char *field, const char *value)
{
	return json_build("{s:s, s:s}", "field", field, "value", value);
}

json_t *spool_local(struct spool *s, const struct store_collection *c, const char *field, const char *value,
		    struct store_error *error)
{
	json_t *args = by_field(field, value);
	json_t *found = s->local->get(s->local->self, c, args, error);
	json_decref(args);
	if (json_is_object(found))
		return found;
	json_decref(found);
	return NULL;
}

static json_t *put(void *self, const struct store_collection *c, const json_t *args,
		   struct store_error *error)
{
	struct spool *s = self;
	const char *key = store_key(c, json_object_get(args, "document"));
	if (spool_is_direct(s)) {
		json_t *result = spool_change(s, MIRROR_PUT, c, args, error);
		if (!spool_lost(s, error))
			return result;
	}
	if (!spool_begin_local(s, error))
		return NULL;
	json_t *there = spool_entry_of(s, c, key, error),
	       *result = s->local->put(s->local->self, c, args, error);
	if (there == NULL)
		spool_note(s, c, key, json_build("{s:s, s:s, s:b}", "op", "put", "first", key, "changed", 1),
			   error);
	else
		spool_change_entry(s, there, json_build("{s:b}", "changed", 1), error);
	json_decref(there);
	return result;
}

static json_t *insert(void *self, const struct store_collection *c, const json_t *args,
		      struct store_error *error)
{
	struct spool *s = self;
	const char *key = store_key(c, json_object_get(args, "document"));
	if (spool_is_direct(s)) {
		json_t *result = spool_change(s, MIRROR_INSERT, c, args, error);
		if (!spool_lost(s, error))
			return result;
	}
	if (!spool_begin_local(s, error))
		return NULL;
	json_t *named = by_field(c->key, key), *there = s->away ? mirror_get(s->mirror, c, named) : NULL;
	json_decref(named);
	if (there != NULL) /* the database has it */
		return json_build("{s:b, s:o}", "inserted", 0, "document", there);
	json_t *result = s->local->insert(s->local->self, c, args, error);
	if (json_is_true(json_object_get(result, "inserted")))
		spool_note(s, c, key,
			   json_build("{s:s, s:s, s:b}", "op", "insert", "first", key, "changed", 0), error);
	return result;
}

static json_t *update(void *self, const struct store_collection *c, const json_t *args,
		      struct store_error *error)
{
	struct spool *s = self;
	const char *key = json_string_value(json_object_get(args, "key"));
	if (spool_is_direct(s)) {
		json_t *result = spool_change(s, MIRROR_UPDATE, c, args, error);
		if (!spool_lost(s, error))
			return result;
	}
	const char *field = json_string_value(json_object_get(args, "field"));
	json_t *local = spool_local(s, c, field ? field : c->key, key, error);
	if (local == NULL && json_is_true(json_object_get(args, "strict"))) {
		*error =
			(struct store_error){"the database is away; this waits until it is back", STORE_AWAY};
		return NULL;
	}
	char *old_key = local ? xstrdup(store_key(c, local)) : NULL;
	json_decref(local);
	if (!spool_begin_local(s, error)) {
		free(old_key);
		return NULL;
	}
	if (local == NULL) {
		spool_note(s, c, key, json_build("{s:s, s:O}", "op", "update", "args", args), error);
		json_t *mirrored = mirror_change(s->mirror, MIRROR_UPDATE, c, args);
		return mirrored ? mirrored : json_build("{s:b}", "spooled", 1);
	}
	json_t *result = s->local->update(s->local->self, c, args, error);
	if (json_is_object(result))
		spool_entry_changed(s, c, old_key, store_key(c, result), args, error);
	free(old_key);
	return result;
}

static bool has_key(const struct store_collection *c, const json_t *documents, const json_t *one)
{
	size_t i;
	json_t *document;
	json_array_foreach (documents, i, document)
		if (strcmp(store_key(c, document), store_key(c, one)) == 0)
			return true;
	return false;
}

/* Two sorted lists as one, each key once; steals both. */
static json_t *merge(const struct store_collection *c, const json_t *args, json_t *ours, json_t *theirs)
{
	const char *order = json_string_value(json_object_get(args, "order"));
	size_t limit = (size_t)json_integer_value(json_object_get(args, "limit")), i = 0, j = 0;
	int way = json_is_true(json_object_get(args, "ascending")) ? -1 : 1;
	json_t *merged = json_array();
	while (json_array_size(merged) < limit) {
		json_t *a = json_array_get(ours, i), *b = json_array_get(theirs, j);
		if (b != NULL && has_key(c, ours, b)) {
			j++;
			continue;
		}
		if (a == NULL && b == NULL)
			break;
		bool first = b == NULL ||
			     (a != NULL && way * store_compare(c, order ? order : c->order, a, b) <= 0);
		json_array_append(merged, first ? a : b);
		first ? i++ : j++;
	}
	json_decref(ours);
	json_decref(theirs);
	return merged;
}

/*
 * The local documents that go: their entries would bring what comes under their keys
 * later, before that is removed. The database may have them already.
 */
static void remove_entries(struct spool *s, const struct store_collection *c, const json_t *where,
			   struct store_error *error)
{
	json_t *args = json_build("{s:O, s:i}", "where", where, "limit", REMOVED_MAX), *document;
	json_t *going = s->local->find(s->local->self, c, args, error);
	size_t i;
	json_array_foreach (going, i, document) {
		const char *key = store_key(c, document);
		json_t *entry = spool_entry_of(s, c, key, error);
		json_t *gone =
			json_build("{s:[[s, s, O]]}", "where", "entry", "=", json_object_get(entry, "entry"));
		if (entry != NULL) {
			json_decref(s->local->remove(s->local->self, SPOOL_JOURNAL, gone, error));
			s->pending -= !spool_is_aside(entry);
			spool_note(s, c, "",
				   json_build("{s:s, s:{s:[[s, s, [s, O]]]}}", "op", "remove", "args",
					      "where", c->key, "in", key, json_object_get(entry, "first")),
				   error);
		}
		json_decref(gone);
		json_decref(entry);
	}
	json_decref(going);
	json_decref(args);
}

static json_t *remove_documents(void *self, const struct store_collection *c, const json_t *args,
				struct store_error *error)
{
	struct spool *s = self;
	if (spool_is_direct(s)) {
		json_t *result = spool_change(s, MIRROR_REMOVE, c, args, error);
		if (!spool_lost(s, error))
			return result;
	}
	if (!spool_begin_local(s, error))
		return NULL;
	/* Here, in the copy of what the database has, or in both. */
	json_t *all = json_build("{s:O, s:i}", "where", json_object_get(args, "where"), "limit", REMOVED_MAX);
	json_t *going =
		merge(c, all, s->local->find(s->local->self, c, all, error), mirror_find(s->mirror, c, all));
	json_t *removed = json_integer((json_int_t)json_array_size(going));
	json_decref(going);
	json_decref(all);
	remove_entries(s, c, json_object_get(args, "where"), error);
	json_decref(s->local->remove(s->local->self, c, args, error));
	json_decref(mirror_change(s->mirror, MIRROR_REMOVE, c, args));
	spool_note(s, c, "", json_build("{s:s, s:O}", "op", "remove", "args", args), error);
	return removed;
}

/* ---- reading: what is here stands before what is there ---- */

static void set_away(struct store_error *error)
{
	text_printf(error->text, sizeof error->text,
		    "the database cannot be reached at the moment; try again");
	error->failure = STORE_AWAY;
}

static json_t *get(void *self, const struct store_collection *c, const json_t *args,
		   struct store_error *error)
{
	struct spool *s = self;
	if (!spool_is_direct(s)) {
		json_t *local = s->local->get(s->local->self, c, args, error);
		if (json_is_object(local) || error->text[0] != '\0')
			return local;
		json_decref(local);
	}
	if (!s->away) {
		json_t *result = s->db->get(s->db->self, c, args, error);
		if (!spool_lost(s, error))
			return result;
	}
	json_t *mirrored = mirror_get(s->mirror, c, args);
	if (mirrored != NULL)
		return mirrored;
	if (mirror_is_whole(s->mirror, c))
		return json_null();
	set_away(error); /* that it is not here says nothing of there */
	return NULL;
}

static json_t *find(void *self, const struct store_collection *c, const json_t *args,
		    struct store_error *error)
{
	struct spool *s = self;
	json_t *theirs = NULL;
	if (!s->away) {
		theirs = s->db->find(s->db->self, c, args, error);
		if (spool_lost(s, error)) {
			json_decref(theirs);
			theirs = NULL;
		}
	}
	if (error->text[0] == '\0' && !s->away)
		mirror_learn(s->mirror, c, theirs, json_is_true(json_object_get(args, "keep")));
	if (spool_is_direct(s) || error->text[0] != '\0')
		return theirs;
	if (s->away)
		theirs = mirror_find(s->mirror, c, args);
	json_t *all = merge(c, args, s->local->find(s->local->self, c, args, error), theirs);
	error->failure = s->away && !mirror_is_whole(s->mirror, c) ? STORE_AWAY : STORE_DONE;
	return all;
}

static json_t *count(void *self, const struct store_collection *c, const json_t *args,
		     struct store_error *error)
{
	struct spool *s = self;
	if (spool_is_direct(s)) {
		json_t *result = s->db->count(s->db->self, c, args, error);
		if (!spool_lost(s, error))
			return result;
	}
	json_t *documents = find(self, c, args, error);
	if (error->text[0] != '\0') {
		json_decref(documents);
		return NULL;
	}
	json_int_t all = (json_int_t)json_array_size(documents);
	error->failure = STORE_DONE; /* no fault: what is known here is counted */
	json_decref(documents);
	return json_integer(all);
}

static void replicate(void *self, const struct store_collection *c)
{
	struct spool *s = self;
	s->replicas |= 1u << (c - store_collections);
	mirror_replicate(s->mirror, c);
	if (spool_is_direct(s))
		spool_copy(s, c);
}

/* ---- the backend's frame ---- */

/* Commits what was written to local disk. If that fails the journal is what it was before. */
static bool commit_local(struct spool *s)
{
	bool kept = !s->begun || s->local->end(s->local->self);
	if (s->begun && kept)
		json_object_clear(s->brought);
	s->begun = false;
	s->uncounted = s->uncounted || !kept;
	return kept;
}

/* Before each batch. */
static void tick(void *self)
{
	struct spool *s = self;
	s->begun = false;
	s->local->tick(s->local->self);
	if (s->uncounted)
		spool_count_pending(s);
	mirror_tick(s->mirror);
	if (s->away && atomic_load(&s->back)) {
		s->away = !s->db->begin(s->db->self);
		if (s->away)
			spool_go_away(s, "the database answers but cannot be used yet");
		else
			log_info("the database is back; %zu spooled writes to bring", s->pending);
	}
	if (!s->away && s->pending > 0) {
		spool_replay(s);
		/* The entries are gone for good before the batch changes the same documents in the
		 * database: replayed once more after that, they would undo it. */
		if (commit_local(s) && !s->away && s->pending == 0)
			log_info("the database is back and has everything that it missed");
	}
	spool_copy_when_due(s);
}

static int tick_again_ms(void *self)
{
	const struct spool *s = self;
	return !s->away && s->pending > 0 && s->refusals == 0 && !s->uncounted ? SOON_MS : TICK_MS;
}

static bool begin(void *self)
{
	(void)self;
	return true;
}

/* Commits what went to the spool; what went to the database is there already. */
static bool end(void *self)
{
	struct spool *s = self;
	mirror_end(s->mirror);
	return commit_local(s);
}

static size_t spooled(void *self)
{
	const struct spool *s = self;
	return s->pending + (s->away || s->uncounted);
}

/* ---- opening ---- */

static void close_store(void *self)
{
	struct spool *s = self;
	spool_probe_stop(s);
	s->db->close(s->db->self);
	s->local->close(s->local->self);
	mirror_free(&s->mirror);
	json_decref(s->brought);
	free(s->db);
	free(s->local);
	free(s);
}

struct store_backend *spool_backend_open(const char *url, const char *path, struct store_error *error)
{
	struct store_backend *db = mongodb_backend_open(url, error);
	struct store_backend *local = db ? sqlite_backend_open(path, true, error) : NULL;
	if (local == NULL) {
		if (db != NULL)
			db->close(db->self);
		free(db);
		return NULL;
	}
	struct spool *s = xcalloc(1, sizeof *s);
	s->db = db;
	s->local = local;
	s->brought = json_object();
	spool_read_journal(s, error);
	char *mirror = xasprintf("%s.mirror", path);
	s->mirror = mirror_new(mirror);
	free(mirror);
	spool_probe_start(s);
	/* The first contact makes the indexes; without it phony starts all the same. */
	if (!spool_first_contact(s) || !db->begin(db->self))
		spool_go_away(s, "MongoDB does not answer");
	struct store_backend *backend = xcalloc(1, sizeof *backend);
	*backend = (struct store_backend){.kind = "mongodb",
					  .self = s,
					  .tick = tick,
					  .tick_again_ms = tick_again_ms,
					  .begin = begin,
					  .end = end,
					  .close = close_store,
					  .spooled = spooled,
					  .replicate = replicate,
					  .put = put,
					  .insert = insert,
					  .get = get,
					  .find = find,
					  .count = count,
					  .update = update,
					  .remove = remove_documents};
	return backend;
}
