/*
 * The journal of what the database has missed:
 *
 * {entry, seq, target: "sms/SM…", op, …}
 *	insert, put   the document of this key, as it is now
 *	  first       its key in the beginning; changed: it was changed since
 *	  unset       members that it may have there, and lost here
 *	update, remove  args: as asked
 */
#include "lib/base/json_build.h"
#include "lib/base/text.h"
#include "lib/store/spool/spool_inside.h"

#include "lib/base/panic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *target_of(const struct store_collection *c, const char *key)
{
	return xasprintf("%s/%s", c->name, key);
}

void spool_note(struct spool *s, const struct store_collection *c, const char *key, json_t *entry,
		struct store_error *error)
{
	char seq[32], *target = target_of(c, key);
	snprintf(seq, sizeof seq, "%020lld", ++s->seq);
	json_object_set_new(entry, "entry", json_text(seq));
	json_object_set_new(entry, "seq", json_text(seq));
	json_object_set_new(entry, "target", json_text(target));
	json_object_set_new(entry, "collection", json_text(c->name));
	json_t *args = json_build("{s:o}", "document", entry);
	json_t *result = s->local->insert(s->local->self, SPOOL_JOURNAL, args, error);
	if (error->text[0] == '\0' && !json_is_true(json_object_get(result, "inserted")))
		*error = (struct store_error){"the spool's journal could not be read; try again", STORE_BUSY};
	json_decref(result);
	json_decref(args);
	free(target);
	s->pending++;
}

void spool_change_entry(struct spool *s, const json_t *entry, json_t *set, struct store_error *error)
{
	char seq[32];
	const char *key = json_string_value(json_object_get(entry, "entry"));
	json_object_del(s->brought, key);
	if (spool_is_aside(entry)) {
		snprintf(seq, sizeof seq, "%020lld", ++s->seq);
		json_object_set_new(set, "seq", json_text(seq));
		s->pending++;
	}
	json_t *args = json_build("{s:s, s:O}", "key", key, "set", set);
	if (json_object_size(set) > 0)
		json_decref(s->local->update(s->local->self, SPOOL_JOURNAL, args, error));
	json_decref(args);
	json_decref(set);
}

json_t *spool_entry_of(struct spool *s, const struct store_collection *c, const char *key,
		       struct store_error *error)
{
	char *target = target_of(c, key);
	json_t *args = json_build("{s:[[s, s, s], [s, s, n]], s:i}", "where", "target", "=", target, "first",
				  "present", "limit", 1);
	json_t *found = s->local->find(s->local->self, SPOOL_JOURNAL, args, error);
	json_t *entry = json_incref(json_array_get(found, 0));
	json_decref(found);
	json_decref(args);
	free(target);
	return entry;
}

/* The names of members that were dropped, once each. */
static json_t *unset_names(const json_t *entry, const json_t *args)
{
	json_t *names = json_array(), *name;
	const json_t *const lists[] = {json_object_get(entry, "unset"), json_object_get(args, "unset")};
	json_t *once = json_object();
	size_t i;
	for (size_t k = 0; k < 2; k++)
		json_array_foreach (lists[k], i, name)
			if (json_object_get(once, json_string_value(name)) == NULL) {
				json_object_set(once, json_string_value(name), name);
				json_array_append(names, name);
			}
	json_decref(once);
	return names;
}

void spool_entry_changed(struct spool *s, const struct store_collection *c, const char *old_key,
			 const char *key, const json_t *args, struct store_error *error)
{
	json_t *entry = spool_entry_of(s, c, old_key, error);
	char *target = target_of(c, key);
	if (entry != NULL)
		spool_change_entry(s, entry,
				   json_build("{s:b, s:s, s:o}", "changed", 1, "target", target, "unset",
					      unset_names(entry, args)),
				   error);
	json_decref(entry);
	free(target);
}
