/* Indexes, and what the original left: documents without the fields that ours are found by. */
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/store/mongodb/bson.h"
#include "lib/store/mongodb/mongodb.h"

#include <stdio.h>
#include <string.h>

enum { DUPLICATE_KEY = 11000, ADOPT_BATCH = 500 };

struct index {
	const char *fields[3];
	int ways[3];
	bool unique;
};

/* An earlier version found by this field without its being unique: that index goes. Whether there was one. */
static bool drop_lax_index(struct mongodb *m, const struct store_collection *c)
{
	char name[128];
	snprintf(name, sizeof name, "%s_1", c->key);
	mongoc_collection_t *in = mongodb_collection(m, c);
	mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(in, NULL);
	const bson_t *index;
	bool lax = false;
	while (mongoc_cursor_next(cursor, &index)) {
		bson_iter_t is, unique;
		if (bson_iter_init_find(&is, index, "name") && BSON_ITER_HOLDS_UTF8(&is) &&
		    strcmp(bson_iter_utf8(&is, NULL), name) == 0)
			lax = !bson_iter_init_find(&unique, index, "unique") || !bson_iter_as_bool(&unique);
	}
	mongoc_cursor_destroy(cursor);
	if (lax)
		mongoc_collection_drop_index(in, name, NULL);
	mongoc_collection_destroy(in);
	return lax;
}

/* By the driver's own naming, so that an index of the original is the same index. */
static bool make_index(struct mongodb *m, const struct store_collection *c, const struct index *index,
		       bson_error_t *fault)
{
	enum { OPTIONS_CONFLICT = 85, SPECS_CONFLICT = 86 };
	char name[128] = "";
	bson_t command = BSON_INITIALIZER, list, spec, key;
	bson_append_utf8(&command, "createIndexes", -1, c->name, -1);
	bson_append_array_begin(&command, "indexes", -1, &list);
	bson_append_document_begin(&list, "0", -1, &spec);
	bson_append_document_begin(&spec, "key", -1, &key);
	for (int i = 0; i < 3 && index->fields[i] != NULL; i++) {
		size_t used = strlen(name);
		bson_append_int32(&key, index->fields[i], -1, index->ways[i]);
		snprintf(name + used, sizeof name - used, "%s%s_%d", used ? "_" : "", index->fields[i],
			 index->ways[i]);
	}
	bson_append_document_end(&spec, &key);
	bson_append_utf8(&spec, "name", -1, name, -1);
	if (index->unique)
		bson_append_bool(&spec, "unique", -1, true);
	bson_append_document_end(&list, &spec);
	bson_append_array_end(&command, &list);
	bool ok = mongoc_client_write_command_with_opts(m->client, m->database, &command, NULL, NULL, fault);
	bson_destroy(&command);
	return ok || fault->code == OPTIONS_CONFLICT || fault->code == SPECS_CONFLICT;
}

/*
 * Several documents with one key, where the key can be made from another field:
 * all but the first get that field's value.
 */
static bool separate(struct mongodb *m, const struct store_collection *c, bson_error_t *fault)
{
	mongoc_collection_t *in = mongodb_collection(m, c);
	bson_t all = BSON_INITIALIZER, opts = BSON_INITIALIZER, sort, projection;
	bson_append_document_begin(&opts, "sort", -1, &sort);
	bson_append_int32(&sort, c->key, -1, 1);
	bson_append_int32(&sort, c->order, -1, 1);
	bson_append_document_end(&opts, &sort);
	bson_append_document_begin(&opts, "projection", -1, &projection);
	bson_append_int32(&projection, c->key, -1, 1);
	bson_append_int32(&projection, c->key_from, -1, 1);
	bson_append_document_end(&opts, &projection);
	mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(in, &all, &opts, NULL);
	const bson_t *document;
	json_t *before = json_null();
	bool ok = true;
	while (ok && mongoc_cursor_next(cursor, &document)) {
		json_t *one = bson_to_document(c, document), *key = json_object_get(one, c->key);
		bson_iter_t id;
		if (json_equal(key, before) && bson_iter_init_find(&id, document, "_id")) {
			bson_t filter = BSON_INITIALIZER, change = BSON_INITIALIZER, set;
			bson_append_iter(&filter, "_id", -1, &id);
			bson_append_document_begin(&change, "$set", -1, &set);
			bson_add(&set, c->key, json_object_get(one, c->key_from));
			bson_append_document_end(&change, &set);
			ok = mongoc_collection_update_one(in, &filter, &change, NULL, NULL, fault);
			bson_destroy(&filter);
			bson_destroy(&change);
		}
		json_decref(before);
		before = json_incref(key);
		json_decref(one);
	}
	ok = ok && !mongoc_cursor_error(cursor, fault);
	json_decref(before);
	mongoc_cursor_destroy(cursor);
	bson_destroy(&all);
	bson_destroy(&opts);
	mongoc_collection_destroy(in);
	return ok;
}

static bool make_indexes(struct mongodb *m, const struct store_collection *c, bson_error_t *fault)
{
	struct index key = {{c->key}, {1}, true}, list = {{c->order, c->key}, {-1, -1}, false};
	if (drop_lax_index(m, c) && c->key_from != NULL && !separate(m, c, fault))
		return false;
	bool ok = make_index(m, c, &key, fault);
	if (!ok && fault->code == DUPLICATE_KEY) {
		log_warn("%s has several documents with one %s: its index cannot be unique", c->name, c->key);
		key.unique = false;
		ok = make_index(m, c, &key, fault);
	}
	ok = ok && make_index(m, c, &list, fault);
	for (const char *const *f = c->filters; ok && *f != NULL; f++) {
		struct index filter = {{*f, c->order, c->key}, {1, -1, -1}, false};
		ok = make_index(m, c, &filter, fault);
	}
	for (const char *const *f = c->finds; ok && *f != NULL; f++) {
		struct index found = {{*f}, {1}, false};
		ok = make_index(m, c, &found, fault);
	}
	for (const char *const *f = c->lists; ok && *f != NULL; f++) {
		struct index member = {{*f}, {1}, false};
		ok = make_index(m, c, &member, fault);
	}
	if (ok && c->text != NULL) {
		struct index words = {{"words"}, {1}, false};
		ok = make_index(m, c, &words, fault);
	}
	return ok;
}

/* Gives a document of the original the key, or the words, that it lacks. */
static bool adopt_one(mongoc_collection_t *in, const struct store_collection *c, const bson_t *document,
		      bson_error_t *fault)
{
	bson_iter_t id;
	bson_t filter = BSON_INITIALIZER, change = BSON_INITIALIZER, set;
	json_t *old = bson_to_document(c, document), *fresh = json_object();
	json_t *key = json_incref(json_object_get(old, c->key));
	const char *from = c->key_from ? c->key_from : "";
	if (!bson_iter_init_find(&id, document, "_id")) {
		json_decref(old);
		return true;
	}
	if (key == NULL)
		key = strcmp(from, "_id") == 0 ? bson_to_json(&id) : json_incref(json_object_get(old, from));
	json_object_set_new(fresh, c->key, key ? key : bson_to_json(&id));
	if (c->text != NULL) {
		json_t *text = json_object_get(old, c->text);
		json_object_set_new(fresh, c->text, json_is_string(text) ? json_incref(text) : json_text(""));
	}
	bson_append_iter(&filter, "_id", -1, &id);
	bson_append_document_begin(&change, "$set", -1, &set);
	bson_add_document(&set, c, fresh);
	bson_append_document_end(&change, &set);
	bool ok = mongoc_collection_update_one(in, &filter, &change, NULL, NULL, fault);
	bson_destroy(&filter);
	bson_destroy(&change);
	json_decref(old);
	json_decref(fresh);
	return ok;
}

/* Documents without `field`, which an index finds. */
static bool adopt(struct mongodb *m, const struct store_collection *c, const char *field, bson_error_t *fault)
{
	mongoc_collection_t *in = mongodb_collection(m, c);
	bool ok = true;
	for (int64_t adopted = 1; ok && adopted > 0;) {
		bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
		const bson_t *document;
		bson_append_null(&filter, field, -1);
		bson_append_int64(&opts, "limit", -1, ADOPT_BATCH);
		mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(in, &filter, &opts, NULL);
		for (adopted = 0; ok && mongoc_cursor_next(cursor, &document); adopted++)
			ok = adopt_one(in, c, document, fault);
		ok = ok && !mongoc_cursor_error(cursor, fault);
		mongoc_cursor_destroy(cursor);
		bson_destroy(&filter);
		bson_destroy(&opts);
		if (adopted > 0)
			log_info("%lld documents of %s were given their %s", (long long)adopted, c->name,
				 field);
	}
	mongoc_collection_destroy(in);
	return ok;
}

bool mongodb_adopt(struct mongodb *m, const struct store_collection *c)
{
	bson_error_t fault;
	bool ok = adopt(m, c, c->key, &fault);
	if (!ok)
		log_error("documents of %s without a %s: %s", c->name, c->key, fault.message);
	return ok;
}

bool mongodb_prepare(struct mongodb *m)
{
	bson_error_t fault;
	bool ok = true;
	if (m->prepared)
		return true;
	if (m->client == NULL)
		m->client = mongoc_client_pool_pop(m->pool);
	for (int i = 0; ok && i < STORE_COLLECTIONS; i++) {
		const struct store_collection *c = &store_collections[i];
		ok = (c->key_from == NULL || adopt(m, c, c->key, &fault)) && make_indexes(m, c, &fault) &&
		     (c->text == NULL || adopt(m, c, "words", &fault));
	}
	m->prepared = ok;
	if (!ok)
		log_error("MongoDB cannot be prepared: %s", fault.message);
	return ok;
}
