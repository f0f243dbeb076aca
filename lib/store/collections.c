#include "lib/store/collections.h"

#include "lib/base/clock.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <stdlib.h>
#include <string.h>

const struct store_collection store_collections[STORE_TABLES] = {
	[STORE_CALLS] = {.name = "calls",
			 .key = "callId",
			 .key_from = "callSid",
			 .order = "startedAt",
			 .filters = {"callType", "status", "fromNumber", "toNumber"},
			 .finds = {"callSid", "requestId", "dueAt", "costAt", "recordingUntilAt",
				   "recordingSid"},
			 .lists = {"tags"},
			 .text = "searchText",
			 .hidden = {"twilioEvents", "openaiEvents"},
			 .free_form = {"outcomeSchema", "outcome", "operatorQuestion"}},
	[STORE_TURNS] = {.name = "turns", .key = "turnId", .order = "position", .filters = {"callId"}},
	[STORE_EVENTS] = {.name = "events",
			  .key = "eventId",
			  .order = "timestamp",
			  .filters = {"callId"},
			  .free_form = {"data"}},
	[STORE_MESSAGES] = {.name = "sms",
			    .key = "requestId",
			    .key_from = "messageSid",
			    .order = "createdAt",
			    .filters = {"conversationId", "direction", "status", "fromNumber", "toNumber",
					"bulkId"},
			    .finds = {"messageSid", "dueAt", "checkAt"},
			    .lists = {"tags"},
			    .text = "body"},
	[STORE_CONVERSATIONS] = {.name = "conversations",
				 .key = "conversationId",
				 .order = "lastMessageAt",
				 .filters = {"type"},
				 .lists = {"participants"}},
	[STORE_EARLY_STATUSES] = {.name = "earlystatuses",
				  .key = "messageSid",
				  .order = "createdAt",
				  .passing = true},
	[STORE_OPT_OUTS] = {.name = "optouts", .key = "pair", .order = "createdAt"},
	[STORE_BULKS] = {.name = "bulks", .key = "bulkId", .order = "createdAt", .filters = {"status"}},
	[STORE_TEMPLATES] = {.name = "messagetemplates", .key = "name", .order = "createdAt"},
	[STORE_TOMBSTONES] = {.name = "deletedmessages",
			      .key = "requestId",
			      .order = "deletedAt",
			      .finds = {"messageSid", "bulkId"}},
	[STORE_VOICEMAILS] = {.name = "voicemails",
			      .key = "recordingSid",
			      .order = "createdAt",
			      .filters = {"toNumber", "fromNumber", "status", "isRead"},
			      .finds = {"recordingUntilAt"},
			      .lists = {"tags"},
			      .text = "transcription"},
	[STORE_CONTEXTS] = {.name = "contexts",
			    .key = "contextId",
			    .key_from = "_id",
			    .order = "createdAt",
			    .filters = {"contextType"},
			    .finds = {"name"}},
	[STORE_INCOMING_CONFIGS] = {.name = "incomingconfigs", .key = "phoneNumber", .order = "createdAt"},
	[STORE_BARRED] = {.name = "donotcall", .key = "phoneNumber", .order = "createdAt"},
	[STORE_QUOTAS] = {.name = "quotas", .key = "name", .order = "updatedAt"},
	[STORE_REMOVALS] = {.name = "recordingremovals",
			    .key = "recordingSid",
			    .order = "createdAt",
			    .finds = {"dueAt"},
			    .passing = true},
	[STORE_DELETIONS] = {.name = "deletions", .key = "record", .order = "deletedAt", .passing = true},
	[STORE_HEALTH] = {.name = "health", .key = "host", .order = "checkedAt", .passing = true},
	[STORE_JOURNAL] = {.name = "journal", .key = "entry", .order = "seq", .finds = {"target"}},
};

int store_collection_by_name(const char *name)
{
	for (int i = 0; i < STORE_COLLECTIONS; i++)
		if (strcmp(store_collections[i].name, name) == 0)
			return i;
	return -1;
}

bool store_field_is_time(const char *field)
{
	size_t len = strlen(field);
	return strcmp(field, "timestamp") == 0 || (len > 2 && strcmp(field + len - 2, "At") == 0);
}

bool store_time_of(const char *field, const json_t *value, long long *ms)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z";
	const char *text = json_string_value(value);
	struct wall_ms when;
	char again[WALL_TEXT_SIZE];
	if (text == NULL || strlen(text) != sizeof shape - 1 || !store_field_is_time(field) ||
	    !wall_parse(text, &when))
		return false;
	wall_format(when, again);
	*ms = when.ms;
	return strcmp(text, again) == 0;
}

const char *store_key(const struct store_collection *c, const json_t *document)
{
	return json_string_value(json_object_get(document, c->key));
}

json_t *store_with_key(const struct store_collection *c, const json_t *document)
{
	const json_t *from = c->key_from ? json_object_get(document, c->key_from) : NULL;
	json_t *copy = json_deep_copy(document);
	if (json_is_string(from) && json_object_get(document, c->key) == NULL)
		json_object_set(copy, c->key, (json_t *)from);
	return copy;
}

static const char *text_of(const json_t *document, const char *field)
{
	const char *text = json_string_value(json_object_get(document, field));
	return text ? text : "";
}

int store_compare(const struct store_collection *c, const char *order, const json_t *a, const json_t *b)
{
	int compared = strcmp(text_of(b, order), text_of(a, order));
	return compared ? compared : strcmp(text_of(b, c->key), text_of(a, c->key));
}

char *store_cursor(const struct store_collection *c, const char *order, const json_t *document)
{
	return xasprintf("%s~%s", text_of(document, order), text_of(document, c->key));
}

bool store_cursor_read(const char *cursor, char **order, char **key)
{
	const char *tilde = strchr(cursor, '~');
	if (tilde == NULL || tilde[1] == '\0')
		return false;
	*order = xasprintf("%.*s", TEXT_SPAN(cursor, tilde - cursor));
	*key = xstrdup(tilde + 1);
	return true;
}

static bool array_has(const json_t *array, const json_t *value)
{
	size_t i;
	json_t *item;
	json_array_foreach (array, i, item)
		if (json_equal(item, value))
			return true;
	return false;
}

/* The document's array without the values of `gone`, then with those of `more`. */
static json_t *changed_array(const json_t *array, const json_t *gone, const json_t *more)
{
	json_t *result = json_array(), *item;
	size_t i;
	json_array_foreach (array, i, item)
		if (!array_has(gone, item))
			json_array_append(result, item);
	json_array_foreach (more, i, item)
		if (!array_has(result, item))
			json_array_append(result, item);
	return result;
}

json_t *store_changed(const json_t *document, const json_t *change)
{
	json_t *result = json_copy((json_t *)document), *value;
	const char *name;
	size_t i;
	json_object_update(result, json_object_get(change, "set"));
	json_array_foreach (json_object_get(change, "unset"), i, value)
		json_object_del(result, json_string_value(value));
	json_object_foreach (json_object_get(change, "add"), name, value)
		json_object_set_new(result, name, changed_array(json_object_get(result, name), NULL, value));
	json_object_foreach (json_object_get(change, "remove"), name, value)
		json_object_set_new(result, name, changed_array(json_object_get(result, name), value, NULL));
	return result;
}

/* Whether text begins as what store_free_as_text makes does. */
static bool is_free_text(const char *text)
{
	return text != NULL && text[0] != '\0' && strchr("{[\"", text[0]) != NULL;
}

void store_free_as_text(const struct store_collection *c, json_t *document)
{
	for (const char *const *field = c->free_form; *field != NULL; field++) {
		json_t *value = json_object_get(document, *field);
		if (!json_is_object(value) && !json_is_array(value) &&
		    !is_free_text(json_string_value(value)))
			continue; /* what has no names can be kept as it is */
		char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		json_object_set_new(document, *field, json_text(text));
		free(text);
	}
}

void store_free_as_json(const struct store_collection *c, json_t *document)
{
	for (const char *const *field = c->free_form; *field != NULL; field++) {
		const char *text = json_string_value(json_object_get(document, *field));
		json_t *value = is_free_text(text) ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
		if (value != NULL) /* else: a text of the original's */
			json_object_set_new(document, *field, value);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *sorted_object(const json_t *object)
{
	size_t count = json_object_size(object), n = 0;
	const char **names = xcalloc(count + 1, sizeof *names), *name;
	json_t *value, *result = json_object();
	json_object_foreach ((json_t *)object, name, value)
		names[n++] = name;
	qsort(names, n, sizeof *names, by_name);
	for (size_t i = 0; i < n; i++)
		json_object_set_new(result, names[i], store_sorted(json_object_get(object, names[i])));
	free(names);
	return result;
}

json_t *store_sorted(const json_t *value)
{
	if (json_is_object(value))
		return sorted_object(value);
	if (!json_is_array(value))
		return json_incref((json_t *)value);
	json_t *result = json_array(), *item;
	size_t i;
	json_array_foreach (value, i, item)
		json_array_append_new(result, store_sorted(item));
	return result;
}
