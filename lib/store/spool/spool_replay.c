#include "lib/base/json_build.h"
#include "lib/store/spool/spool_inside.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
	REPLAY_BATCH = 100,
	REPLAY_MS = 30,
	REFUSALS = 40, /* of one write, half a second apart at least */
};

/* Whether a call, or what belongs to one, was deleted by another host while it was spooled here. */
static bool is_deleted(struct spool *s, const json_t *document, struct store_error *error)
{
	const char *call_id = json_string_value(json_object_get(document, "callId"));
	if (call_id == NULL)
		return false;
	json_t *args =
		json_build("{s:s, s:o}", "field", "record", "value", json_text_printf("calls/%s", call_id));
	json_t *note = s->db->get(s->db->self, &store_collections[STORE_DELETIONS], args, error);
	bool deleted = json_is_object(note);
	json_decref(note);
	json_decref(args);
	return deleted;
}

bool spool_is_aside(const json_t *entry)
{
	const char *seq = json_string_value(json_object_get(entry, "seq"));
	return strncmp(seq, SPOOL_ASIDE, strlen(SPOOL_ASIDE)) == 0;
}

/* What the document may have there, and has here no more. */
static json_t *lost_members(const json_t *entry, const json_t *document)
{
	json_t *lost = json_array(), *name;
	size_t i;
	json_array_foreach (json_object_get(entry, "unset"), i, name)
		if (json_object_get(document, json_string_value(name)) == NULL)
			json_array_append(lost, name);
	return lost;
}

static void replay_document(struct spool *s, const struct store_collection *c, const json_t *entry,
			    struct store_error *error)
{
	const char *target = json_string_value(json_object_get(entry, "target"));
	json_t *document = spool_local(s, c, c->key, target + strlen(c->name) + 1, error);
	if (document == NULL)
		return; /* removed meanwhile */
	json_t *whole = json_build("{s:O}", "document", document), *there = NULL;
	/* An insert may have arrived although its answer was lost: then it is changed there. */
	if (json_is_true(json_object_get(entry, "changed"))) {
		json_t *set = json_build("{s:O, s:O, s:o}", "key", json_object_get(entry, "first"), "set",
					 document, "unset", lost_members(entry, document));
		there = spool_change(s, MIRROR_UPDATE, c, set, error);
		json_decref(set);
	}
	if (!json_is_object(there) && error->text[0] == '\0' && !is_deleted(s, document, error) &&
	    error->text[0] == '\0')
		json_decref(spool_change(s, MIRROR_INSERT, c, whole, error));
	json_decref(there);
	json_decref(whole);
	json_decref(document);
}

static void replay_entry(struct spool *s, const json_t *entry, struct store_error *error)
{
	const char *op = json_string_value(json_object_get(entry, "op"));
	int kind = store_collection_by_name(json_string_value(json_object_get(entry, "collection")));
	const json_t *args = json_object_get(entry, "args");
	if (kind < 0)
		return;
	const struct store_collection *c = &store_collections[kind];
	if (strcmp(op, "update") == 0)
		json_decref(spool_change(s, MIRROR_UPDATE, c, args, error));
	else if (strcmp(op, "remove") == 0)
		json_decref(spool_change(s, MIRROR_REMOVE, c, args, error));
	else
		replay_document(s, c, entry, error);
}

/* Forgets an entry, and the document that it carried. */
static void forget(struct spool *s, const json_t *entry, struct store_error *error)
{
	int kind = store_collection_by_name(json_string_value(json_object_get(entry, "collection")));
	const char *target = json_string_value(json_object_get(entry, "target"));
	json_t *args = json_build("{s:[[s, s, O]]}", "where", "entry", "=", json_object_get(entry, "entry"));
	json_decref(s->local->remove(s->local->self, SPOOL_JOURNAL, args, error));
	json_decref(args);
	if (kind >= 0 && json_object_get(entry, "first") != NULL) {
		const struct store_collection *c = &store_collections[kind];
		args = json_build("{s:[[s, s, s]]}", "where", c->key, "=", target + strlen(c->name) + 1);
		json_decref(s->local->remove(s->local->self, c, args, error));
		json_decref(args);
	}
	s->pending--;
}

/*
 * What the database cannot do now is tried for a while: it may have been going
 * away, or coming back. Then, or at once when it is refused for good, it is laid
 * aside, so that it does not stand before all the rest; it stays on local disk, and
 * each start tries it again.
 */
static void lay_aside(struct spool *s, const json_t *entry, const struct store_error *refusal)
{
	struct store_error error = {.text = ""};
	if (refusal->failure != STORE_REFUSED && ++s->refusals < REFUSALS)
		return;
	s->refusals = 0;
	log_error("a spooled write (%s) is laid aside until the next start: %s",
		  json_string_value(json_object_get(entry, "target")), refusal->text);
	char *seq = xasprintf("%s%s", SPOOL_ASIDE, json_string_value(json_object_get(entry, "seq")));
	json_t *args =
		json_build("{s:O, s:{s:s}}", "key", json_object_get(entry, "entry"), "set", "seq", seq);
	json_decref(s->local->update(s->local->self, SPOOL_JOURNAL, args, &error));
	json_decref(args);
	free(seq);
	s->pending--;
}

/* For a moment only, so that whoever asks meanwhile does not wait for all of it. */
void spool_replay(struct spool *s)
{
	struct store_error error = {.text = ""}, local = {.text = ""};
	json_t *args = json_build("{s:[[s, s, s]], s:b, s:i}", "where", "seq", "<", SPOOL_ASIDE, "ascending",
				  1, "limit", REPLAY_BATCH),
	       *entry;
	json_t *entries = s->local->find(s->local->self, SPOOL_JOURNAL, args, &error);
	int64_t until = mono_now().us + REPLAY_MS * 1000;
	size_t i;
	json_decref(args);
	json_array_foreach (entries, i, entry) {
		if (mono_now().us > until || !spool_begin_local(s, &error))
			break;
		/* Another host may have changed it since: it is brought once, however often it takes until
		 * that is known on local disk. */
		const char *key = json_string_value(json_object_get(entry, "entry"));
		if (json_object_get(s->brought, key) == NULL)
			replay_entry(s, entry, &error);
		if (error.text[0] != '\0') {
			if (error.failure != STORE_AWAY)
				lay_aside(s, entry, &error);
			break;
		}
		s->refusals = 0;
		json_object_set_new(s->brought, key, json_true());
		forget(s, entry, &local);
		if (local.text[0] != '\0')
			break;
	}
	json_decref(entries);
	spool_lost(s, &error);
}

/* What was laid aside is tried again, in its place. */
static void take_up(struct spool *s, struct store_error *error)
{
	json_t *args = json_build("{s:[[s, s, s]], s:i}", "where", "seq", ">=", SPOOL_ASIDE, "limit",
				  1000000),
	       *entry;
	json_t *entries = s->local->find(s->local->self, SPOOL_JOURNAL, args, error);
	size_t i;
	bool any = json_array_size(entries) > 0 && s->local->begin(s->local->self);
	json_array_foreach (entries, i, entry) {
		json_t *set = json_build("{s:O, s:{s:O}}", "key", json_object_get(entry, "entry"), "set",
					 "seq", json_object_get(entry, "entry"));
		if (any)
			json_decref(s->local->update(s->local->self, SPOOL_JOURNAL, set, error));
		json_decref(set);
	}
	if (any)
		s->local->end(s->local->self);
	json_decref(entries);
	json_decref(args);
}

/* The highest number among the entries that were laid aside, or among the others. */
static long long highest(struct spool *s, bool aside, struct store_error *error)
{
	json_t *args = json_build("{s:[[s, s, s]], s:i}", "where", "seq", aside ? ">=" : "<", SPOOL_ASIDE,
				  "limit", 1);
	json_t *newest = s->local->find(s->local->self, SPOOL_JOURNAL, args, error);
	const char *seq = json_string_value(json_object_get(json_array_get(newest, 0), "seq"));
	long long number = seq ? atoll(seq + (aside ? strlen(SPOOL_ASIDE) : 0)) : 0;
	json_decref(newest);
	json_decref(args);
	return number;
}

void spool_count_pending(struct spool *s)
{
	struct store_error error = {.text = ""};
	json_t *waiting =
		json_build("{s:[[s, s, s]], s:i}", "where", "seq", "<", SPOOL_ASIDE, "limit", 1000000000);
	json_t *n = s->local->count(s->local->self, SPOOL_JOURNAL, waiting, &error);
	long long aside = highest(s, true, &error), others = highest(s, false, &error);
	if (error.text[0] == '\0')
		s->pending = (size_t)json_integer_value(n);
	if (s->seq < others)
		s->seq = others;
	if (s->seq < aside)
		s->seq = aside;
	s->uncounted = error.text[0] != '\0';
	json_decref(n);
	json_decref(waiting);
}

void spool_read_journal(struct spool *s, struct store_error *error)
{
	take_up(s, error);
	spool_count_pending(s);
}
