#include "voiced/shared/crud.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/result.h"

#include <stdlib.h>

struct question {
	const struct record_kind *kind;
	struct reply reply;
	const char *said;
	int http_status;
};

static struct question *new_question(const struct record_kind *k, struct reply reply, int http_status,
				     const char *said)
{
	struct question *q = xcalloc(1, sizeof *q);
	*q = (struct question){k, reply, said, http_status};
	return q;
}

json_t *record_now(void)
{
	char now[WALL_TEXT_SIZE];
	wall_format(wall_now(), now);
	return json_text(now);
}

json_t *record_public(const struct record_kind *k, const json_t *document)
{
	json_t *shown = json_object();
	for (size_t i = 0; k->fields[i] != NULL; i++) {
		json_t *value = json_object_get(document, k->fields[i]);
		if (value != NULL && !json_is_null(value))
			json_object_set(shown, k->fields[i], value);
	}
	return shown;
}

static void not_there(const struct question *q)
{
	answer_error(q->reply, 404, "not_found", "There is no such %s; %s.", q->kind->what, q->kind->advice);
}

static void on_record(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (answer_store_error(q->reply, error))
		;
	else if (json_is_object(result))
		answer_success(q->reply, q->http_status, record_public(q->kind, result), "%s %s",
			       q->kind->what, q->said);
	else
		not_there(q);
	free(q);
}

static void on_list(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	json_t *shown = json_array(), *document;
	size_t i;
	if (answer_store_error(q->reply, error)) {
		json_decref(shown);
		free(q);
		return;
	}
	json_array_foreach (json_object_get(result, "documents"), i, document)
		json_array_append_new(shown, record_public(q->kind, document));
	size_t count = json_array_size(shown);
	answer_success(q->reply, 200,
		       json_build("{s:I, s:o, s:O*, s:O*}", "count", (json_int_t)count, q->kind->plural,
				  shown, "nextCursor", json_object_get(result, "nextCursor"), "incomplete",
				  json_object_get(result, "incomplete")),
		       "Found %zu %s(s)", count, q->kind->what);
	free(q);
}

void records_list(struct voiced *v, const struct record_kind *k, json_t *where, int64_t limit,
		  const char *cursor, struct reply reply)
{
	struct store_query query = {.where = where, .limit = limit, .cursor = cursor};
	store_find(v->store, k->store, &query, on_list, new_question(k, reply, 200, ""));
}

void records_get(struct voiced *v, const struct record_kind *k, const char *key, struct reply reply)
{
	store_get(v->store, k->store, store_collections[k->store].key, key, on_record,
		  new_question(k, reply, 200, "retrieved successfully"));
}

static void on_created(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (answer_store_error(q->reply, error))
		;
	else if (json_is_true(json_object_get(result, "inserted")))
		answer_success(q->reply, 201, record_public(q->kind, json_object_get(result, "document")),
			       "%s created", q->kind->what);
	else
		answer_error(q->reply, 409, "exists",
			     "There is one with this %s already: update that %s, or delete it first.",
			     store_collections[q->kind->store].key, q->kind->what);
	free(q);
}

void records_create(struct voiced *v, const struct record_kind *k, json_t *document, struct reply reply)
{
	json_object_set_new(document, "createdAt", record_now());
	json_object_set(document, "updatedAt", json_object_get(document, "createdAt"));
	store_insert(v->store, k->store, document, on_created, new_question(k, reply, 201, ""));
	json_decref(document);
}

void records_update(struct voiced *v, const struct record_kind *k, const char *key, json_t *set,
		    struct reply reply)
{
	json_object_set_new(set, "updatedAt", record_now());
	struct store_change change = {.key = key, .set = set};
	store_update(v->store, k->store, &change, on_record, new_question(k, reply, 200, "updated"));
}

static void on_removed(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (answer_store_error(q->reply, error))
		;
	else if (json_integer_value(result) == 0 && q->http_status != 200)
		not_there(q);
	else
		answer_success(q->reply, 200, json_build("{s:O}", "deletedCount", result),
			       "%lld %s(s) deleted", (long long)json_integer_value(result), q->kind->what);
	free(q);
}

void records_remove(struct voiced *v, const struct record_kind *k, const char *key, struct reply reply)
{
	store_remove(v->store, k->store, json_build("[[s, s, s]]", store_collections[k->store].key, "=", key),
		     on_removed, new_question(k, reply, 404, ""));
}

void records_remove_where(struct voiced *v, const struct record_kind *k, json_t *where, struct reply reply)
{
	store_remove(v->store, k->store, where, on_removed, new_question(k, reply, 200, ""));
}
