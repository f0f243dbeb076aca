/* Tags on messages; those of calls and voicemails are voiced's. */
#include "lib/store/tags.h"
#include "lib/base/json_build.h"

#include "lib/base/panic.h"
#include "lib/store/result.h"
#include "smsd/api/commands.h"
#include "smsd/messages/messages.h"

#include <stdlib.h>
#include <string.h>

static const char *const own_type[] = {"sms", NULL};

struct tagging {
	struct smsd *smsd;
	struct reply reply;
	json_t *tags;
	bool add;
	char *id;
};

static void free_tagging(struct tagging *t)
{
	json_decref(t->tags);
	free(t->id);
	free(t);
}

static void on_tagged(void *arg, json_t *result, const char *error)
{
	struct tagging *t = arg;
	if (answer_store_error(t->reply, error)) {
		;
	} else if (json_is_object(result)) {
		json_t *tags = json_object_get(result, "tags");
		answer_success(t->reply, 200,
			       json_build("{s:s, s:s, s:O}", "recordType", "sms", "recordId", t->id, "tags",
					  tags ? tags : t->tags),
			       t->add ? "Tags added" : "Tags removed");
	} else {
		answer_error(t->reply, 404, "not_found", "No message has this recordId.");
	}
	free_tagging(t);
}

static void on_found(void *arg, json_t *result, const char *error)
{
	struct tagging *t = arg;
	if (error != NULL || !json_is_object(result)) {
		on_tagged(t, NULL, error);
		return;
	}
	json_t *change = json_build("{s:O}", "tags", t->tags);
	struct store_change c = {.key = message_field(result, "requestId"),
				 .set = json_build("{s:o}", "updatedAt", message_time(wall_now().ms)),
				 .add = t->add ? change : NULL,
				 .remove = t->add ? NULL : change};
	store_update(t->smsd->store, STORE_MESSAGES, &c, on_tagged, t);
}

static void change_tags(struct smsd *s, json_t *args, struct reply reply, bool add)
{
	struct json_reader r;
	const char *type = "", *id = "";
	json_read_open(&r, args);
	json_read_word(&r, "recordType", JSON_NEEDED, own_type, &type);
	json_read_text(&r, "recordId", JSON_NEEDED, 1, 64, &id);
	if (id[0] != '\0' && !message_is_id(id))
		json_read_fault(&r, "recordId must be SM, MM or PM and 32 hexadecimal digits");
	json_t *tags = tags_read(&r);
	if (answer_faults(reply, &r)) {
		json_decref(tags);
		return;
	}
	struct tagging *t = xcalloc(1, sizeof *t);
	*t = (struct tagging){s, reply, tags, add, xstrdup(id)};
	message_look_up(s, id, on_found, t);
}

void add_tags(struct smsd *s, json_t *args, struct reply reply)
{
	change_tags(s, args, reply, true);
}

void remove_tags(struct smsd *s, json_t *args, struct reply reply)
{
	change_tags(s, args, reply, false);
}

static void on_search(void *arg, json_t *result, const char *error)
{
	struct tagging *t = arg;
	json_t *records = json_array(), *document;
	size_t i;
	json_array_foreach (json_object_get(result, "documents"), i, document)
		json_array_append_new(records, json_build("{s:s, s:O, s:O, s:O, s:o}", "recordType", "sms",
							  "recordId", json_object_get(document, "messageSid"),
							  "tags", json_object_get(document, "tags"), "at",
							  json_object_get(document, "createdAt"), "record",
							  message_public(document)));
	if (!answer_store_error(t->reply, error))
		answer_success(t->reply, 200,
			       json_build("{s:I, s:O}", "count", (json_int_t)json_array_size(records),
					  "records", records),
			       "Found %zu record(s)", json_array_size(records));
	json_decref(records);
	free_tagging(t);
}

void search_by_tags(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	struct tags_search search;
	tags_read_search(&r, args, own_type, &search);
	if (answer_faults(reply, &r)) {
		json_decref(search.tags);
		return;
	}
	struct tagging *t = xcalloc(1, sizeof *t);
	*t = (struct tagging){.smsd = s, .reply = reply, .tags = search.tags};
	struct store_query q = {.where = tags_filter(search.tags, search.all), .limit = search.limit};
	store_find(s->store, STORE_MESSAGES, &q, on_search, t);
}
