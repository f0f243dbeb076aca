#include "voiced/calls/contexts.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "voiced/shared/crud.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 100, TEXT_BYTES = 64 * 1024, DESCRIPTION_BYTES = 1000, ID_LEN = 12 };

static const char *const fields[] = {"contextId",
				     "name",
				     "description",
				     "systemInstructions",
				     "exampleCallInstructions",
				     "contextType",
				     "createdAt",
				     "updatedAt",
				     NULL};
static const char *const types[] = {"incoming", "outgoing", "both", NULL};

static const struct record_kind kind = {STORE_CONTEXTS, "context", "contexts",
					"phony_list_contexts lists them", fields};

static const char *read_id(struct json_reader *r, json_t *args)
{
	const char *id = "";
	json_read_open(r, args);
	json_read_text(r, "contextId", JSON_NEEDED, 1, 64, &id);
	return id;
}

void contexts_list(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *type = NULL, *cursor = NULL;
	int64_t limit = LIST_DEFAULT;
	json_read_open(&r, args);
	json_read_word(&r, "type", JSON_OPTIONAL, types, &type);
	filter_read_page(&r, &limit, &cursor);
	if (answer_faults(reply, &r))
		return;
	json_t *where = json_array();
	/* Those for both are for each. */
	if (type != NULL)
		json_array_append_new(where, json_build("[s, s, [s, s]]", "contextType", "in", type, "both"));
	records_list(v, &kind, where, limit, cursor, reply);
}

void contexts_get(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *id = read_id(&r, args);
	if (!answer_faults(reply, &r))
		records_get(v, &kind, id, reply);
}

void contexts_delete(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *id = read_id(&r, args);
	if (!answer_faults(reply, &r))
		records_remove(v, &kind, id, reply);
}

/* Reads what is given into a document of its own; owned by the caller. */
static json_t *read_fields(struct json_reader *r, enum json_presence presence)
{
	const char *name = NULL, *system = NULL, *type = NULL, *description = NULL, *example = NULL;
	json_read_text(r, "name", presence, 1, NAME_BYTES, &name);
	json_read_text(r, "systemInstructions", presence, 1, TEXT_BYTES, &system);
	json_read_word(r, "contextType", presence, types, &type);
	json_read_text(r, "description", JSON_OPTIONAL, 0, DESCRIPTION_BYTES, &description);
	json_read_text(r, "exampleCallInstructions", JSON_OPTIONAL, 0, TEXT_BYTES, &example);
	return json_build("{s:s*, s:s*, s:s*, s:s*, s:s*}", "name", name, "systemInstructions", system,
			  "contextType", type, "description", description, "exampleCallInstructions",
			  example);
}

void contexts_create(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	char id[ID_LEN + 1];
	json_read_open(&r, args);
	json_t *document = read_fields(&r, JSON_NEEDED);
	if (answer_faults(reply, &r)) {
		json_decref(document);
		return;
	}
	secret_make(id, ID_LEN);
	json_object_set_new(document, "contextId", json_text(id));
	records_create(v, &kind, document, reply);
}

void contexts_update(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *id = read_id(&r, args);
	json_t *set = read_fields(&r, JSON_OPTIONAL);
	if (json_read_ok(&r) && json_object_size(set) == 0)
		json_read_fault(&r, "give at least one field to change");
	if (answer_faults(reply, &r))
		json_decref(set);
	else
		records_update(v, &kind, id, set, reply);
}

struct look_up {
	contexts_fn *fn;
	void *arg;
};

static void on_found(void *arg, json_t *result, const char *error)
{
	struct look_up *l = arg;
	/* That there is none is not known. */
	if (error == NULL && json_array_size(json_object_get(result, "documents")) == 0 &&
	    json_object_get(result, "incomplete") != NULL)
		error = "the database cannot be reached at the moment; try again";
	json_t *context = json_array_get(json_object_get(result, "documents"), 0);
	l->fn(l->arg, json_string_value(json_object_get(context, "systemInstructions")), error);
	free(l);
}

void contexts_look_up(struct voiced *v, const char *name, contexts_fn *fn, void *arg)
{
	struct look_up *l = xcalloc(1, sizeof *l);
	*l = (struct look_up){fn, arg};
	struct store_query query = {.where = json_build("[[n, s, [[[s, s, s]], [[s, s, s]]]]]", "or", "name",
							"=", name, "contextId", "=", name),
				    .limit = 1};
	store_find(v->store, STORE_CONTEXTS, &query, on_found, l);
}
