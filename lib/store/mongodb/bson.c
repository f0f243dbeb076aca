#include "lib/store/mongodb/bson.h"

#include "lib/base/clock.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/tokenize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bson_add_members(bson_t *to, const json_t *value)
{
	const char *name;
	json_t *member;
	size_t i;
	char number[24];
	json_object_foreach ((json_t *)value, name, member)
		bson_add(to, name, member);
	json_array_foreach (value, i, member) {
		snprintf(number, sizeof number, "%zu", i);
		bson_add(to, number, member);
	}
}

/* Values are values: what looks like an operator or extended JSON is a text in BSON, too. */
void bson_add(bson_t *to, const char *name, const json_t *value)
{
	bson_t child;
	long long ms;
	if (store_time_of(name, value, &ms))
		bson_append_date_time(to, name, -1, ms);
	else if (json_is_string(value))
		bson_append_utf8(to, name, -1, json_string_value(value), (int)json_string_length(value));
	else if (json_is_integer(value) && llabs(json_integer_value(value)) <= INT32_MAX)
		bson_append_int32(to, name, -1, (int32_t)json_integer_value(value));
	else if (json_is_integer(value))
		bson_append_int64(to, name, -1, json_integer_value(value));
	else if (json_is_real(value))
		bson_append_double(to, name, -1, json_real_value(value));
	else if (json_is_boolean(value))
		bson_append_bool(to, name, -1, json_is_true(value));
	else if (json_is_array(value)) {
		bson_append_array_begin(to, name, -1, &child);
		bson_add_members(&child, value);
		bson_append_array_end(to, &child);
	} else if (json_is_object(value)) {
		bson_append_document_begin(to, name, -1, &child);
		bson_add_members(&child, value);
		bson_append_document_end(to, &child);
	} else {
		bson_append_null(to, name, -1);
	}
}

json_t *bson_members_to_json(bson_iter_t *in, bool array)
{
	json_t *result = array ? json_array() : json_object();
	while (bson_iter_next(in)) {
		if (array)
			json_array_append_new(result, bson_to_json(in));
		else
			json_object_set_new(result, bson_iter_key(in), bson_to_json(in));
	}
	return result;
}

json_t *bson_to_json(const bson_iter_t *at)
{
	char text[WALL_TEXT_SIZE];
	bson_iter_t child;
	uint32_t len;
	json_t *value = NULL;
	switch (bson_iter_type(at)) {
	case BSON_TYPE_UTF8: {
		const char *bytes = bson_iter_utf8(at, &len);
		value = json_text_n(bytes, len);
		break;
	}
	case BSON_TYPE_DATE_TIME:
		wall_format((struct wall_ms){bson_iter_date_time(at)}, text);
		value = json_text(text);
		break;
	case BSON_TYPE_OID:
		bson_oid_to_string(bson_iter_oid(at), text);
		value = json_text(text);
		break;
	case BSON_TYPE_INT32:
	case BSON_TYPE_INT64:
		value = json_integer(bson_iter_as_int64(at));
		break;
	case BSON_TYPE_DOUBLE: {
		double number = bson_iter_double(at);
		value = number == floor(number) && fabs(number) < 9e15 ? json_integer((json_int_t)number)
								       : json_real(number);
		break;
	}
	case BSON_TYPE_BOOL:
		value = json_boolean(bson_iter_bool(at));
		break;
	case BSON_TYPE_DOCUMENT:
	case BSON_TYPE_ARRAY:
		if (bson_iter_recurse(at, &child))
			value = bson_members_to_json(&child, bson_iter_type(at) == BSON_TYPE_ARRAY);
		break;
	default:
		break;
	}
	return value ? value : json_null();
}

/* A document as the store shows it. Owned by the caller. */
json_t *bson_to_document(const struct store_collection *c, const bson_t *bson)
{
	bson_iter_t in;
	json_t *document = bson_iter_init(&in, bson) ? bson_members_to_json(&in, false) : json_object();
	json_object_del(document, "_id");
	json_object_del(document, "__v");
	if (c->text != NULL)
		json_object_del(document, "words");
	json_t *sorted = store_sorted(document);
	json_decref(document);
	return sorted;
}

/* ---- filters ---- */

/* Appends to an array of conditions, which $and or $or joins. */
struct joined {
	bson_t array;
	unsigned count;
};

static void join(struct joined *j, const bson_t *condition)
{
	char number[16];
	snprintf(number, sizeof number, "%u", j->count++);
	bson_append_document(&j->array, number, -1, condition);
}

/* {field: {op: value}} */
void bson_add_operator(bson_t *to, const char *field, const char *op, const json_t *value)
{
	bson_t inner;
	long long ms;
	bson_append_document_begin(to, field, -1, &inner);
	if (store_time_of(field, value, &ms))
		bson_append_date_time(&inner, op, -1, ms);
	else
		bson_add(&inner, op, value);
	bson_append_document_end(to, &inner);
}

static void join_words(struct joined *j, const json_t *words)
{
	size_t i;
	json_t *word;
	json_array_foreach (words, i, word) {
		const char *text = json_string_value(word);
		size_t len = strlen(text);
		bson_t condition = BSON_INITIALIZER;
		if (len > 1 && text[len - 1] == '*') {
			/* Letters and digits only: nothing to escape. */
			char *start = xasprintf("^%.*s", TEXT_SPAN(text, len - 1));
			bson_append_regex(&condition, "words", -1, start, "");
			free(start);
		} else {
			bson_add(&condition, "words", word);
		}
		join(j, &condition);
		bson_destroy(&condition);
	}
}

static void append_or(bson_t *to, const json_t *filters)
{
	struct joined j = {.count = 0};
	size_t i;
	json_t *where;
	bson_append_array_begin(to, "$or", -1, &j.array);
	json_array_foreach (filters, i, where) {
		bson_t filter = BSON_INITIALIZER;
		bson_filter(&filter, where, NULL);
		join(&j, &filter);
		bson_destroy(&filter);
	}
	bson_append_array_end(to, &j.array);
}

static void join_condition(struct joined *j, const json_t *condition)
{
	static const struct {
		const char *op, *mongo;
	} operators[] = {{"!=", "$ne"},  {"<", "$lt"},  {"<=", "$lte"}, {">", "$gt"},
			 {">=", "$gte"}, {"in", "$in"}, {"any", "$in"}, {"all", "$all"}};
	const char *field = json_string_value(json_array_get(condition, 0));
	const char *op = json_string_value(json_array_get(condition, 1));
	const json_t *value = json_array_get(condition, 2);
	bson_t b = BSON_INITIALIZER;
	if (strcmp(op, "text") == 0) {
		join_words(j, value);
		bson_destroy(&b);
		return;
	}
	if (strcmp(op, "or") == 0)
		append_or(&b, value);
	else if (strcmp(op, "=") == 0)
		bson_add(&b, field, value);
	else if (strcmp(op, "missing") == 0)
		bson_append_null(&b, field, -1);
	else if (strcmp(op, "present") == 0)
		bson_add_operator(&b, field, "$ne", NULL);
	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
		if (strcmp(operators[i].op, op) == 0)
			bson_add_operator(&b, field, operators[i].mongo, value);
	join(j, &b);
	bson_destroy(&b);
}

/* {$and: […]}, or {} for none; more may be NULL. */
void bson_filter(bson_t *filter, const json_t *where, const bson_t *more)
{
	struct joined j = {.count = 0};
	size_t i;
	json_t *condition;
	if (json_array_size(where) == 0 && more == NULL)
		return;
	bson_append_array_begin(filter, "$and", -1, &j.array);
	json_array_foreach (where, i, condition)
		join_condition(&j, condition);
	if (more != NULL)
		join(&j, more);
	bson_append_array_end(filter, &j.array);
}

/* Appends the document's members and, where its text is among them, the words. */
void bson_add_document(bson_t *to, const struct store_collection *c, const json_t *document)
{
	const char *text = c->text ? json_string_value(json_object_get(document, c->text)) : NULL;
	bson_add_members(to, document);
	if (text != NULL) {
		json_t *words = words_of(text, false);
		bson_add(to, "words", words);
		json_decref(words);
	}
}
