#include "lib/store/import_export.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/backend.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 500 };

static struct store_backend *open_direct(const char *mongodb_url, const char *state_dir,
					 struct store_error *error)
{
	char *path = xasprintf("%s/phony.db", state_dir);
	struct store_backend *b = mongodb_url[0] != '\0' ? mongodb_backend_open(mongodb_url, error)
							 : sqlite_backend_open(path, true, error);
	free(path);
	if (b != NULL && mongodb_url[0] != '\0' && !mongodb_ping(b->self)) {
		text_printf(error->text, sizeof error->text,
			    "MongoDB does not answer: check MONGODB_URL, and that the server runs");
		b->close(b->self);
		free(b);
		return NULL;
	}
	return b;
}

static void close_direct(struct store_backend *b)
{
	b->close(b->self);
	free(b);
}

int store_try(const char *mongodb_url, const char *state_dir, char *why, size_t size)
{
	struct store_error error = {.text = ""};
	const struct store_collection *c = &store_collections[STORE_HEALTH];
	struct store_backend *b = open_direct(mongodb_url, state_dir, &error);
	if (b != NULL) {
		char now[WALL_TEXT_SIZE];
		wall_format(wall_now(), now);
		json_t *put = json_build("{s:{s:s, s:s}}", "document", "host", "doctor", "checkedAt", now);
		json_t *get = json_build("{s:s, s:s}", "field", "host", "value", "doctor"), *found = NULL;
		if (!b->begin(b->self))
			snprintf(error.text, sizeof error.text,
				 "the store cannot be written: is it locked, or the disk full?");
		else
			json_decref(b->put(b->self, c, put, &error));
		if (error.text[0] == '\0' && !b->end(b->self))
			snprintf(error.text, sizeof error.text,
				 "the store cannot be written: is the disk full?");
		if (error.text[0] == '\0')
			found = b->get(b->self, c, get, &error);
		if (error.text[0] == '\0' && !json_is_object(found))
			snprintf(error.text, sizeof error.text, "what was written cannot be read back");
		json_decref(found);
		json_decref(put);
		json_decref(get);
		close_direct(b);
	}
	text_printf(why, size, "%s", error.text);
	return error.text[0] != '\0';
}

static bool write_page(const struct store_collection *c, json_t *documents, FILE *out)
{
	size_t i;
	json_t *document;
	json_array_foreach (documents, i, document) {
		store_free_as_json(c, document);
		json_t *line = json_build("{s:s, s:O}", "collection", c->name, "document", document);
		bool ok = json_dumpf(line, out, JSON_COMPACT) == 0 && fputc('\n', out) != EOF;
		json_decref(line);
		if (!ok)
			return false;
	}
	return true;
}

/* Pages by key, oldest order first; a document in two pages would only be read in once. */
static bool export_collection(struct store_backend *b, const struct store_collection *c, FILE *out,
			      size_t *count, struct store_error *error)
{
	json_t *args = json_build("{s:i, s:b, s:b}", "limit", PAGE, "ascending", 1, "whole", 1);
	bool ok = true, more = true;
	while (ok && more) {
		json_t *documents = b->find(b->self, c, args, error);
		size_t n = json_array_size(documents);
		json_t *last = json_array_get(documents, n ? n - 1 : 0);
		ok = error->text[0] == '\0' && write_page(c, documents, out);
		more = n == PAGE;
		*count += n;
		if (last != NULL) {
			json_t *order = json_object_get(last, c->order);
			json_object_set_new(args, "after",
					    json_build("[o, O]", order ? json_incref(order) : json_text(""),
						       json_object_get(last, c->key)));
		}
		json_decref(documents);
	}
	json_decref(args);
	return ok;
}

static int told(const char *text)
{
	fprintf(stderr, "phony: %s\n", text);
	return 1;
}

int store_export(const char *mongodb_url, const char *state_dir, FILE *out)
{
	struct store_error error = {.text = ""};
	struct store_backend *b = open_direct(mongodb_url, state_dir, &error);
	size_t count = 0;
	/* MongoDB is prepared so; SQLite is read beside whoever writes. */
	bool ok = b != NULL && (mongodb_url[0] == '\0' || b->begin(b->self));
	for (int i = 0; ok && i < STORE_COLLECTIONS; i++)
		if (i != STORE_HEALTH)
			ok = export_collection(b, &store_collections[i], out, &count, &error);
	if (b != NULL)
		close_direct(b);
	ok = fflush(out) == 0 && ok;
	if (!ok)
		return told(error.text[0] ? error.text : "the export could not be written");
	fprintf(stderr, "phony: %zu documents exported\n", count);
	return 0;
}

/* The field that a document must bring: its key, or what its key is made from. */
static const char *key_name(const struct store_collection *c)
{
	return c->key_from != NULL && c->key_from[0] != '_' ? c->key_from : c->key;
}

/* Inserts the document of a line. False with error; *fresh: it was not there. */
static bool import_line(struct store_backend *b, const char *line, size_t len, bool *fresh,
			struct store_error *error)
{
	struct json_reader r;
	const char *name = "";
	json_t *document = NULL, *object = json_parse_object(line, len, error->text, sizeof error->text);
	if (object == NULL)
		return false;
	json_read_open(&r, object);
	json_read_text(&r, "collection", JSON_NEEDED, 1, 64, &name);
	json_read_object(&r, "document", JSON_NEEDED, &document);
	json_read_close(&r, JSON_KNOWN_ONLY);
	int kind = store_collection_by_name(name);
	if (json_read_ok(&r) && kind < 0)
		json_read_fault(&r, "there is no collection %.*s", TEXT_CUT(name, 40));
	json_t *whole = json_read_ok(&r) ? store_with_key(&store_collections[kind], document) : NULL;
	if (whole != NULL && store_key(&store_collections[kind], whole) == NULL)
		json_read_fault(&r, "the document has no %s", key_name(&store_collections[kind]));
	text_printf(error->text, sizeof error->text, "%.*s", TEXT_CUT(r.faults, 200));
	if (json_read_ok(&r)) {
		store_free_as_text(&store_collections[kind], whole);
		json_t *args = json_build("{s:O}", "document", whole);
		json_t *result = b->insert(b->self, &store_collections[kind], args, error);
		*fresh = json_is_true(json_object_get(result, "inserted"));
		json_decref(result);
		json_decref(args);
	}
	json_decref(whole);
	json_decref(object);
	return error->text[0] == '\0';
}

int store_import(const char *mongodb_url, const char *state_dir, FILE *in)
{
	struct store_error error = {.text = ""};
	struct store_backend *b = open_direct(mongodb_url, state_dir, &error);
	char *line = NULL;
	size_t size = 0, number = 0, count = 0, there = 0;
	ssize_t len;
	if (b == NULL)
		return told(error.text);
	bool ok = b->begin(b->self);
	while (ok && (len = getline(&line, &size, in)) >= 0) {
		bool fresh = false;
		number++;
		if (len == 1)
			continue;
		ok = import_line(b, line, (size_t)len, &fresh, &error);
		count += fresh;
		there += ok && !fresh;
		/* Bounded transactions: a large import is not one. */
		if (ok && number % PAGE == 0)
			ok = b->end(b->self) && b->begin(b->self);
	}
	free(line);
	bool kept = b->end(b->self);
	close_direct(b);
	if (!ok)
		fprintf(stderr, "phony: line %zu: %s; the lines before it are imported\n", number,
			error.text[0] ? error.text : "the store cannot be written");
	fprintf(stderr, "phony: %zu documents imported, %zu were there already\n", count, there);
	return !(ok && kept);
}
