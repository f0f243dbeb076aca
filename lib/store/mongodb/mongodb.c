/*
 * MongoDB by libmongoc, a client of the pool on the store's thread. Documents
 * are the original's: times are dates, _id is the server's and __v mongoose's,
 * and neither is shown. A searched text has its words beside it, in `words`: a
 * text index would stem and skip words after the language of whoever made it,
 * a collection can have but one, and SQLite must find the same.
 */
#include "lib/store/mongodb/mongodb.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/backend.h"
#include "lib/store/mongodb/bson.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DUPLICATE_KEY = 11000, READ_TRIES = 3 };

static bool is_among(uint32_t code, const uint32_t *codes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (codes[i] == code)
			return true;
	return false;
}

/* https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml */
static enum store_failure failure_of(const bson_error_t *fault)
{
	/* Servers that are going away or have lost their primary. */
	static const uint32_t away[] = {6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436, 64};
	/*
	 * BadValue, FailedToParse, TypeMismatch, Overflow, InvalidBSON, PathNotViable,
	 * ConflictingUpdateOperators, DollarPrefixedFieldName, InvalidIdField,
	 * EmptyFieldName, DottedFieldName, ImmutableField, DocumentValidationFailure,
	 * BSONObjectTooLarge, DuplicateKey, and a document that is too large or too deep.
	 */
	static const uint32_t refused[] = {2,  9,  14, 15,  22,    28,    40,    52,    53,
					   56, 57, 66, 121, 10334, 17280, 17419, 17420, DUPLICATE_KEY};
	bool of_server = fault->domain == MONGOC_ERROR_SERVER || fault->domain == MONGOC_ERROR_QUERY ||
			 fault->domain == MONGOC_ERROR_WRITE_CONCERN;
	if (fault->domain == MONGOC_ERROR_SERVER_SELECTION || fault->domain == MONGOC_ERROR_STREAM ||
	    is_among(fault->code, away, sizeof away / sizeof *away))
		return STORE_AWAY;
	/* What the driver itself will not send, and what the server will not take. */
	if (fault->domain == MONGOC_ERROR_BSON ||
	    (fault->domain == MONGOC_ERROR_COMMAND && fault->code == MONGOC_ERROR_COMMAND_INVALID_ARG) ||
	    (of_server && is_among(fault->code, refused, sizeof refused / sizeof *refused)))
		return STORE_REFUSED;
	return STORE_BUSY;
}

static void set_error(struct store_error *error, const bson_error_t *fault)
{
	error->failure = failure_of(fault);
	if (error->failure == STORE_AWAY)
		text_printf(error->text, sizeof error->text, "the database cannot be reached: %.*s",
			    TEXT_CUT(fault->message, 180));
	else
		text_printf(error->text, sizeof error->text, "the database refused: %.*s",
			    TEXT_CUT(fault->message, 200));
	log_scrub(error->text, sizeof error->text);
}

static const char *order_of(const struct store_collection *c, const json_t *args)
{
	const char *order = json_string_value(json_object_get(args, "order"));
	return order ? order : c->order;
}

/* Everything after a document in the list's order: by the order, then by the key. */
static void append_after(bson_t *to, const char *order, const char *key, bool ascending, const json_t *after)
{
	const char *beyond = ascending ? "$gt" : "$lt";
	bson_t any, one, two;
	bson_append_array_begin(to, "$or", -1, &any);
	bson_append_document_begin(&any, "0", -1, &one);
	bson_add_operator(&one, order, beyond, json_array_get(after, 0));
	bson_append_document_end(&any, &one);
	bson_append_document_begin(&any, "1", -1, &two);
	bson_add(&two, order, json_array_get(after, 0));
	bson_add_operator(&two, key, beyond, json_array_get(after, 1));
	bson_append_document_end(&any, &two);
	bson_append_array_end(to, &any);
}

static void filter_of_find(bson_t *filter, const struct store_collection *c, const json_t *args)
{
	const json_t *after = json_object_get(args, "after");
	bson_t more = BSON_INITIALIZER;
	if (after != NULL)
		append_after(&more, order_of(c, args), c->key,
			     json_is_true(json_object_get(args, "ascending")), after);
	bson_filter(filter, json_object_get(args, "where"), after ? &more : NULL);
	bson_destroy(&more);
}

static void append_sort(bson_t *to, const struct store_collection *c, const json_t *args)
{
	int way = json_is_true(json_object_get(args, "ascending")) ? 1 : -1;
	bson_t sort;
	bson_append_document_begin(to, "sort", -1, &sort);
	bson_append_int32(&sort, order_of(c, args), -1, way);
	bson_append_int32(&sort, c->key, -1, way);
	bson_append_document_end(to, &sort);
}

static void append_projection(bson_t *to, const struct store_collection *c, const json_t *args)
{
	bson_t projection;
	if (json_is_true(json_object_get(args, "whole")) || c->hidden[0] == NULL)
		return;
	bson_append_document_begin(to, "projection", -1, &projection);
	for (const char *const *field = c->hidden; *field != NULL; field++)
		bson_append_int32(&projection, *field, -1, 0);
	bson_append_document_end(to, &projection);
}

/*
 * The server no longer knows the cursor: it was restarted, or another one has taken
 * its place (CursorNotFound, QueryPlanKilled, CursorKilled).
 */
static bool cursor_is_forgotten(const bson_error_t *fault)
{
	static const uint32_t codes[] = {43, 175, 237};
	return is_among(fault->code, codes, sizeof codes / sizeof *codes);
}

/* All that matches; read from the beginning when the server forgets the cursor meanwhile. */
static json_t *read_all(const struct store_collection *c, mongoc_collection_t *in, const bson_t *filter,
			const bson_t *opts, struct store_error *error)
{
	bson_error_t fault;
	for (int tries = 1;; tries++) {
		mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(in, filter, opts, NULL);
		json_t *documents = json_array();
		const bson_t *document;
		while (mongoc_cursor_next(cursor, &document))
			json_array_append_new(documents, bson_to_document(c, document));
		bool failed = mongoc_cursor_error(cursor, &fault);
		mongoc_cursor_destroy(cursor);
		if (failed && cursor_is_forgotten(&fault) && tries < READ_TRIES) {
			json_decref(documents);
			continue;
		}
		if (failed)
			set_error(error, &fault);
		return documents;
	}
}

static bool lacks_key(const struct store_collection *c, const json_t *documents)
{
	size_t i;
	json_t *document;
	json_array_foreach (documents, i, document)
		if (store_key(c, document) == NULL)
			return true;
	return false;
}

/* Another host may still run an earlier version, which knew no such key: its documents get theirs first. */
static json_t *read_matching(struct mongodb *m, const struct store_collection *c, const bson_t *filter,
			     const bson_t *opts, struct store_error *error)
{
	mongoc_collection_t *in = mongodb_collection(m, c);
	json_t *documents = read_all(c, in, filter, opts, error);
	if (c->key_from != NULL && lacks_key(c, documents) && mongodb_adopt(m, c)) {
		json_decref(documents);
		documents = read_all(c, in, filter, opts, error);
	}
	mongoc_collection_destroy(in);
	return documents;
}

static json_t *find(void *self, const struct store_collection *c, const json_t *args,
		    struct store_error *error)
{
	bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
	filter_of_find(&filter, c, args);
	append_sort(&opts, c, args);
	append_projection(&opts, c, args);
	bson_append_int64(&opts, "limit", -1, json_integer_value(json_object_get(args, "limit")));
	json_t *documents = read_matching(self, c, &filter, &opts, error);
	bson_destroy(&filter);
	bson_destroy(&opts);
	return documents;
}

static json_t *get(void *self, const struct store_collection *c, const json_t *args,
		   struct store_error *error)
{
	bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
	bson_add(&filter, json_string_value(json_object_get(args, "field")), json_object_get(args, "value"));
	append_projection(&opts, c, args);
	bson_append_int64(&opts, "limit", -1, 1);
	json_t *documents = read_matching(self, c, &filter, &opts, error);
	json_t *first = json_incref(json_array_get(documents, 0));
	json_decref(documents);
	bson_destroy(&filter);
	bson_destroy(&opts);
	return first || error->text[0] ? first : json_null();
}

static json_t *count(void *self, const struct store_collection *c, const json_t *args,
		     struct store_error *error)
{
	mongoc_collection_t *in = mongodb_collection(self, c);
	bson_t filter = BSON_INITIALIZER, opts = BSON_INITIALIZER;
	bson_error_t fault;
	bson_filter(&filter, json_object_get(args, "where"), NULL);
	bson_append_int64(&opts, "limit", -1, json_integer_value(json_object_get(args, "limit")));
	int64_t n = mongoc_collection_count_documents(in, &filter, &opts, NULL, NULL, &fault);
	if (n < 0)
		set_error(error, &fault);
	bson_destroy(&filter);
	bson_destroy(&opts);
	mongoc_collection_destroy(in);
	return n < 0 ? NULL : json_integer(n);
}

/* ---- writing ---- */

static void append_key(bson_t *to, const struct store_collection *c, const json_t *document)
{
	bson_add(to, c->key, json_object_get(document, c->key));
}

static json_t *put(void *self, const struct store_collection *c, const json_t *args,
		   struct store_error *error)
{
	const json_t *document = json_object_get(args, "document");
	mongoc_collection_t *in = mongodb_collection(self, c);
	bson_t filter = BSON_INITIALIZER, change = BSON_INITIALIZER, opts = BSON_INITIALIZER, set;
	bson_error_t fault;
	append_key(&filter, c, document);
	bson_append_document_begin(&change, "$set", -1, &set);
	bson_add_document(&set, c, document);
	bson_append_document_end(&change, &set);
	bson_append_bool(&opts, "upsert", -1, true);
	bool ok = mongoc_collection_update_one(in, &filter, &change, &opts, NULL, &fault);
	/* Two upserts of one key at once: the one that lost finds the document now. */
	if (!ok && fault.code == DUPLICATE_KEY)
		ok = mongoc_collection_update_one(in, &filter, &change, &opts, NULL, &fault);
	if (!ok)
		set_error(error, &fault);
	bson_destroy(&filter);
	bson_destroy(&change);
	bson_destroy(&opts);
	mongoc_collection_destroy(in);
	return ok ? json_object() : NULL;
}

static json_t *insert(void *self, const struct store_collection *c, const json_t *args,
		      struct store_error *error)
{
	const json_t *document = json_object_get(args, "document");
	mongoc_collection_t *in = mongodb_collection(self, c);
	bson_t b = BSON_INITIALIZER;
	bson_error_t fault;
	json_t *there = NULL;
	bson_add_document(&b, c, document);
	bool ok = mongoc_collection_insert_one(in, &b, NULL, NULL, &fault);
	bson_destroy(&b);
	mongoc_collection_destroy(in);
	if (!ok && fault.code == DUPLICATE_KEY) {
		json_t *by_key =
			json_build("{s:s, s:O}", "field", c->key, "value", json_object_get(document, c->key));
		there = get(self, c, by_key, error);
		json_decref(by_key);
	} else if (!ok) {
		set_error(error, &fault);
	}
	if (error->text[0] != '\0') {
		json_decref(there);
		return NULL;
	}
	return json_build("{s:b, s:o}", "inserted", ok, "document", there ? there : store_sorted(document));
}

static void append_lists(bson_t *to, const char *op, const json_t *lists, bool each)
{
	bson_t inner, list;
	const char *field;
	json_t *values;
	if (json_object_size(lists) == 0)
		return;
	bson_append_document_begin(to, op, -1, &inner);
	json_object_foreach ((json_t *)lists, field, values) {
		if (each) {
			bson_append_document_begin(&inner, field, -1, &list);
			bson_add(&list, "$each", values);
			bson_append_document_end(&inner, &list);
		} else {
			bson_add(&inner, field, values);
		}
	}
	bson_append_document_end(to, &inner);
}

static void change_of(bson_t *change, const struct store_collection *c, const json_t *args)
{
	const json_t *set = json_object_get(args, "set"), *unset = json_object_get(args, "unset");
	bson_t inner;
	size_t i;
	json_t *name;
	if (json_object_size(set) > 0) {
		bson_append_document_begin(change, "$set", -1, &inner);
		bson_add_document(&inner, c, set);
		bson_append_document_end(change, &inner);
	}
	if (json_array_size(unset) > 0) {
		bson_append_document_begin(change, "$unset", -1, &inner);
		json_array_foreach (unset, i, name)
			bson_append_utf8(&inner, json_string_value(name), -1, "", 0);
		bson_append_document_end(change, &inner);
	}
	append_lists(change, "$addToSet", json_object_get(args, "add"), true);
	append_lists(change, "$pullAll", json_object_get(args, "remove"), false);
}

static json_t *update(void *self, const struct store_collection *c, const json_t *args,
		      struct store_error *error)
{
	mongoc_collection_t *in = mongodb_collection(self, c);
	bson_t query = BSON_INITIALIZER, more = BSON_INITIALIZER, change = BSON_INITIALIZER, reply;
	bson_error_t fault;
	bson_iter_t at;
	const char *field = json_string_value(json_object_get(args, "field"));
	bson_add(&more, field ? field : c->key, json_object_get(args, "key"));
	bson_filter(&query, json_object_get(args, "where"), &more);
	change_of(&change, c, args);
	mongoc_find_and_modify_opts_t *opts = mongoc_find_and_modify_opts_new();
	mongoc_find_and_modify_opts_set_update(opts, &change);
	mongoc_find_and_modify_opts_set_flags(opts, MONGOC_FIND_AND_MODIFY_RETURN_NEW);
	json_t *result = NULL;
	if (!mongoc_collection_find_and_modify_with_opts(in, &query, opts, &reply, &fault)) {
		set_error(error, &fault);
	} else if (bson_iter_init_find(&at, &reply, "value") && BSON_ITER_HOLDS_DOCUMENT(&at)) {
		const uint8_t *data;
		uint32_t len;
		bson_t document;
		bson_iter_document(&at, &len, &data);
		bson_init_static(&document, data, len);
		result = bson_to_document(c, &document);
	} else {
		result = json_null();
	}
	bson_destroy(&reply);
	bson_destroy(&query);
	bson_destroy(&more);
	bson_destroy(&change);
	mongoc_find_and_modify_opts_destroy(opts);
	mongoc_collection_destroy(in);
	return result;
}

static json_t *remove_documents(void *self, const struct store_collection *c, const json_t *args,
				struct store_error *error)
{
	mongoc_collection_t *in = mongodb_collection(self, c);
	bson_t filter = BSON_INITIALIZER, reply;
	bson_error_t fault;
	bson_iter_t at;
	int64_t removed = 0;
	bson_filter(&filter, json_object_get(args, "where"), NULL);
	bool ok = mongoc_collection_delete_many(in, &filter, NULL, &reply, &fault);
	if (!ok)
		set_error(error, &fault);
	else if (bson_iter_init_find(&at, &reply, "deletedCount"))
		removed = bson_iter_as_int64(&at);
	bson_destroy(&reply);
	bson_destroy(&filter);
	mongoc_collection_destroy(in);
	return ok ? json_integer(removed) : NULL;
}

/* ---- opening ---- */

static bool begin(void *self)
{
	return mongodb_prepare(self);
}

static bool end(void *self)
{
	(void)self;
	return true;
}

static void tick(void *self)
{
	(void)self;
}

static int tick_again_ms(void *self)
{
	(void)self;
	return 0;
}

json_t *mongodb_explain(void *self, const struct store_collection *c, const json_t *args,
			struct store_error *error)
{
	struct mongodb *m = self;
	bson_t command = BSON_INITIALIZER, find_command, filter = BSON_INITIALIZER, reply;
	bson_error_t fault;
	bson_iter_t in;
	json_t *result = NULL;
	filter_of_find(&filter, c, args);
	bson_append_document_begin(&command, "explain", -1, &find_command);
	bson_append_utf8(&find_command, "find", -1, c->name, -1);
	bson_append_document(&find_command, "filter", -1, &filter);
	append_sort(&find_command, c, args);
	bson_append_int64(&find_command, "limit", -1, json_integer_value(json_object_get(args, "limit")));
	bson_append_document_end(&command, &find_command);
	bson_append_utf8(&command, "verbosity", -1, "queryPlanner", -1);
	if (m->client == NULL)
		m->client = mongoc_client_pool_pop(m->pool);
	if (!mongoc_client_command_simple(m->client, m->database, &command, NULL, &reply, &fault))
		set_error(error, &fault);
	else if (bson_iter_init(&in, &reply))
		result = bson_members_to_json(&in, false);
	bson_destroy(&reply);
	bson_destroy(&command);
	bson_destroy(&filter);
	return result;
}

struct store_backend *mongodb_backend_open(const char *url, struct store_error *error)
{
	struct mongodb *m = mongodb_connect(url, error);
	if (m == NULL)
		return NULL;
	struct store_backend *backend = xcalloc(1, sizeof *backend);
	*backend = (struct store_backend){.kind = "mongodb",
					  .self = m,
					  .tick = tick,
					  .tick_again_ms = tick_again_ms,
					  .begin = begin,
					  .end = end,
					  .close = mongodb_disconnect,
					  .put = put,
					  .insert = insert,
					  .get = get,
					  .find = find,
					  .count = count,
					  .update = update,
					  .remove = remove_documents};
	return backend;
}
