/* Message templates: texts with {{fields}}, kept by name. */
#include "smsd/api/templates.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/store/result.h"
#include "smsd/api/commands.h"
#include "smsd/messages/messages.h"
#include "smsd/messages/send_request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 100, DESCRIPTION_BYTES = 500 };

struct question {
	struct reply reply;
	const char *said;
};

static struct question *new_question(struct reply reply, const char *said)
{
	struct question *q = xcalloc(1, sizeof *q);
	*q = (struct question){reply, said};
	return q;
}

static json_t *template_public(const json_t *document)
{
	return json_build(
		"{s:s, s:s, s:s, s:o, s:O*, s:O*}", "name", message_field(document, "name"), "body",
		message_field(document, "body"), "description", message_field(document, "description"),
		"fields", wish_fields(message_field(document, "body")), "createdAt",
		json_object_get(document, "createdAt"), "updatedAt", json_object_get(document, "updatedAt"));
}

/* Whether a template was found; else that is answered. */
static bool found(struct reply reply, const json_t *result, const char *error)
{
	if (error == NULL && json_is_object(result))
		return true;
	if (!answer_store_error(reply, error))
		answer_error(reply, 404, "not_found",
			     "No message template has this name; phony_list_message_templates lists them.");
	return false;
}

static void on_template(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (found(q->reply, result, error))
		answer_success(q->reply, 200, template_public(result), "%s", q->said);
	free(q);
}

struct look_up {
	struct reply reply;
	template_fn *fn;
	void *arg;
};

static void on_looked_up(void *arg, json_t *result, const char *error)
{
	struct look_up *l = arg;
	l->fn(l->arg, found(l->reply, result, error) ? message_field(result, "body") : NULL);
	free(l);
}

void template_look_up(struct smsd *s, const char *name, struct reply reply, template_fn *fn, void *arg)
{
	struct look_up *l = xcalloc(1, sizeof *l);
	*l = (struct look_up){reply, fn, arg};
	store_get(s->store, STORE_TEMPLATES, "name", name, on_looked_up, l);
}

static const char *read_name(struct json_reader *r, json_t *args)
{
	const char *name = "";
	json_read_open(r, args);
	json_read_text(r, "name", JSON_NEEDED, 1, NAME_BYTES, &name);
	for (const char *at = name; *at != '\0'; at++)
		if (!isalnum((unsigned char)*at) && strchr("-_.", *at) == NULL) {
			json_read_fault(r, "name may have letters, digits, '-', '_' and '.'");
			break;
		}
	return name;
}

static void on_created(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (answer_store_error(q->reply, error))
		;
	else if (json_is_true(json_object_get(result, "inserted")))
		answer_success(q->reply, 201, template_public(json_object_get(result, "document")),
			       "Message template created");
	else
		answer_error(q->reply, 409, "exists", "A message template has this name already.");
	free(q);
}

void create_template(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *name = read_name(&r, args), *body = "", *description = "";
	json_read_text(&r, "body", JSON_NEEDED, 1, MESSAGE_BYTES, &body);
	json_read_text(&r, "description", JSON_OPTIONAL, 0, DESCRIPTION_BYTES, &description);
	if (answer_faults(reply, &r))
		return;
	json_t *now = message_time(wall_now().ms);
	json_t *document = json_build("{s:s, s:s, s:s, s:O, s:o}", "name", name, "body", body, "description",
				      description, "createdAt", now, "updatedAt", now);
	store_insert(s->store, STORE_TEMPLATES, document, on_created, new_question(reply, ""));
	json_decref(document);
}

void get_template(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *name = read_name(&r, args);
	if (!answer_faults(reply, &r))
		store_get(s->store, STORE_TEMPLATES, "name", name, on_template,
			  new_question(reply, "Message template retrieved successfully"));
}

void update_template(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *name = read_name(&r, args), *body = NULL, *description = NULL;
	json_read_text(&r, "body", JSON_OPTIONAL, 1, MESSAGE_BYTES, &body);
	json_read_text(&r, "description", JSON_OPTIONAL, 0, DESCRIPTION_BYTES, &description);
	if (json_read_ok(&r) && body == NULL && description == NULL)
		json_read_fault(&r, "give body or description");
	if (answer_faults(reply, &r))
		return;
	struct store_change change = {.key = name,
				      .set = json_build("{s:o, s:s*, s:s*}", "updatedAt",
							message_time(wall_now().ms), "body", body,
							"description", description)};
	store_update(s->store, STORE_TEMPLATES, &change, on_template,
		     new_question(reply, "Message template updated"));
}

static void on_deleted(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (answer_store_error(q->reply, error))
		;
	else if (json_integer_value(result) == 0)
		answer_error(q->reply, 404, "not_found", "No message template has this name.");
	else
		answer_success(q->reply, 200, json_build("{s:I}", "deletedCount", json_integer_value(result)),
			       "Message template deleted");
	free(q);
}

void delete_template(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *name = read_name(&r, args);
	if (!answer_faults(reply, &r))
		store_remove(s->store, STORE_TEMPLATES, json_build("[[s, s, s]]", "name", "=", name),
			     on_deleted, new_question(reply, ""));
}

static void on_list(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	answer_list(q->reply, result, error, "templates", "message template(s)", template_public);
	free(q);
}

void list_templates(struct smsd *s, json_t *args, struct reply reply)
{
	const char *cursor;
	int64_t limit;
	if (!answer_page(reply, args, &limit, &cursor))
		return;
	struct store_query q = {.limit = limit, .cursor = cursor};
	store_find(s->store, STORE_TEMPLATES, &q, on_list, new_question(reply, ""));
}
