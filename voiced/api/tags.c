#include "voiced/api/tags.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "lib/store/tags.h"
#include "voiced/calls/schedule.h"
#include "voiced/frontend/handoff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const types[] = {"call", "sms", "voicemail", NULL};

struct tagging {
	struct voiced *v;
	struct reply reply;
	char *type, *id;
	json_t *tags;
	bool add;
};

static void free_tagging(struct tagging *t)
{
	json_decref(t->tags);
	free(t->type);
	free(t->id);
	free(t);
}

static void fail(struct tagging *t, int http_status, const char *code, const char *message)
{
	t->reply.fail(t->reply.arg, http_status, code, message);
	free_tagging(t);
}

/* smsd's answer, passed on as it is. */
static void on_smsd(void *arg, json_t *body, const struct peer_error *error)
{
	struct tagging *t = arg;
	if (error != NULL) {
		fail(t, error->http_status, error->code, error->message);
		return;
	}
	t->reply.done(t->reply.arg, 200, json_incref(body));
	free_tagging(t);
}

static enum store_kind kind_of(const struct tagging *t)
{
	return strcmp(t->type, "call") == 0 ? STORE_CALLS : STORE_VOICEMAILS;
}

static void on_changed(void *arg, json_t *result, const char *error)
{
	struct tagging *t = arg;
	if (answer_store_error(t->reply, error)) {
		free_tagging(t);
		return;
	}
	json_t *tags = json_object_get(result, "tags");
	t->reply.done(t->reply.arg, 200,
		      json_build("{s:s, s:s, s:{s:s, s:s, s:O}}", "status", "success", "message",
				 t->add ? "Tags added" : "Tags removed", "data", "recordType", t->type,
				 "recordId", t->id, "tags", tags ? tags : t->tags));
	free_tagging(t);
}

static void on_found(void *arg, json_t *result, const char *error)
{
	struct tagging *t = arg;
	const char *key = store_key(&store_collections[kind_of(t)], result);
	if (answer_store_error(t->reply, error)) {
		free_tagging(t);
		return;
	}
	if (key == NULL) {
		fail(t, 404, "not_found", "There is no record of this type with this recordId.");
		return;
	}
	json_t *change = json_build("{s:O}", "tags", t->tags);
	struct store_change c = {.key = key, .add = t->add ? change : NULL, .remove = t->add ? NULL : change};
	store_update(t->v->store, kind_of(t), &c, on_changed, t);
}

static bool id_fits(const char *type, const char *id)
{
	return strcmp(type, "call") == 0 ? twilio_is_call_sid(id) || schedule_is_id(id)
					 : strncmp(id, "RE", 2) == 0 && strlen(id) == 34;
}

void tags_change(struct voiced *v, json_t *args, struct reply reply, bool add)
{
	struct json_reader r;
	const char *type = "", *id = "";
	json_read_open(&r, args);
	json_read_word(&r, "recordType", JSON_NEEDED, types, &type);
	json_read_text(&r, "recordId", JSON_NEEDED, 1, 64, &id);
	bool message = strcmp(type, "sms") == 0;
	if (type[0] != '\0' && id[0] != '\0' && !message && !id_fits(type, id))
		json_read_fault(&r,
				"recordId must be the callSid of a call, the recordingSid of a voicemail, or "
				"the messageSid of an sms");
	json_t *tags = tags_read(&r);
	json_read_close(&r, JSON_OTHERS_LOGGED);
	struct tagging *t = xcalloc(1, sizeof *t);
	*t = (struct tagging){v, reply, xstrdup(type), xstrdup(id), tags, add};
	if (!json_read_ok(&r))
		fail(t, 400, "invalid", r.faults);
	else if (message)
		handover_ask(v->to_smsd, add ? MSG_ADD_TAGS : MSG_REMOVE_TAGS, json_incref(args), on_smsd, t);
	else
		store_get(v->store, kind_of(t),
			  strcmp(type, "call") != 0 ? "recordingSid"
			  : schedule_is_id(id)      ? "requestId"
						    : "callSid",
			  id, on_found, t);
}

/* ---- searching: three collections, one list ---- */

struct searching {
	struct voiced *v;
	struct reply reply;
	json_t *records;
	size_t limit;
	unsigned left;
	char error[300];
	int error_status;
};

static int newest_first(const void *a, const void *b)
{
	const char *one = json_string_value(json_object_get(*(json_t *const *)a, "at"));
	const char *two = json_string_value(json_object_get(*(json_t *const *)b, "at"));
	return strcmp(two ? two : "", one ? one : "");
}

static json_t *sorted(json_t *records, size_t limit)
{
	size_t count = json_array_size(records);
	json_t **items = xcalloc(count + 1, sizeof(json_t *)), *result = json_array();
	for (size_t i = 0; i < count; i++)
		items[i] = json_array_get(records, i);
	qsort(items, count, sizeof *items, newest_first);
	for (size_t i = 0; i < count && i < limit; i++)
		json_array_append(result, items[i]);
	free(items);
	return result;
}

static void step(struct searching *s)
{
	if (--s->left > 0)
		return;
	if (s->error_status != 0) {
		s->reply.fail(s->reply.arg, s->error_status, "search", s->error);
	} else {
		char message[64];
		json_t *records = sorted(s->records, s->limit);
		size_t count = json_array_size(records);
		text_printf(message, sizeof message, "Found %zu record(s)", count);
		s->reply.done(s->reply.arg, 200,
			      json_build("{s:s, s:s, s:{s:I, s:o}}", "status", "success", "message", message,
					 "data", "count", (json_int_t)count, "records", records));
	}
	json_decref(s->records);
	free(s);
}

static void set_error(struct searching *s, int http_status, const char *message)
{
	s->error_status = http_status;
	snprintf(s->error, sizeof s->error, "%s", message);
}

static void add_records(struct searching *s, json_t *result, const char *error, const char *type,
			const char *id_field, const char *time_field)
{
	size_t i;
	json_t *document;
	if (error != NULL)
		set_error(s, 503, error);
	json_array_foreach (json_object_get(result, "documents"), i, document)
		json_array_append_new(s->records,
				      json_build("{s:s, s:O?, s:O, s:O?, s:o}", "recordType", type,
						 "recordId", json_object_get(document, id_field), "tags",
						 json_object_get(document, "tags"), "at",
						 json_object_get(document, time_field), "record",
						 call_document_public(document)));
	step(s);
}

static void on_calls(void *arg, json_t *result, const char *error)
{
	add_records(arg, result, error, "call", "callSid", "startedAt");
}

static void on_voicemails(void *arg, json_t *result, const char *error)
{
	add_records(arg, result, error, "voicemail", "recordingSid", "createdAt");
}

static void on_messages(void *arg, json_t *body, const struct peer_error *error)
{
	struct searching *s = arg;
	if (error != NULL)
		set_error(s, error->http_status, error->message);
	json_array_extend(s->records, json_object_get(json_object_get(body, "data"), "records"));
	step(s);
}

void tags_search(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	struct tags_search search;
	tags_read_search(&r, args, types, &search);
	if (!json_read_ok(&r)) {
		reply.fail(reply.arg, 400, "invalid", r.faults);
		json_decref(search.tags);
		return;
	}
	struct searching *s = xcalloc(1, sizeof *s);
	*s = (struct searching){
		.v = v, .reply = reply, .records = json_array(), .limit = (size_t)search.limit, .left = 1};
	struct store_query calls = {.where = tags_filter(search.tags, search.all), .limit = search.limit};
	struct store_query voicemails = {.where = tags_filter(search.tags, search.all),
					 .limit = search.limit};
	bool any = search.type[0] == '\0';
	if (any || strcmp(search.type, "call") == 0) {
		s->left++;
		store_find(v->store, STORE_CALLS, &calls, on_calls, s);
	} else {
		json_decref(calls.where);
	}
	if (any || strcmp(search.type, "voicemail") == 0) {
		s->left++;
		store_find(v->store, STORE_VOICEMAILS, &voicemails, on_voicemails, s);
	} else {
		json_decref(voicemails.where);
	}
	if (any || strcmp(search.type, "sms") == 0) {
		s->left++;
		handover_ask(v->to_smsd, MSG_SEARCH_BY_TAGS,
			     json_build("{s:O, s:b, s:I}", "tags", search.tags, "matchAll", search.all,
					"limit", (json_int_t)search.limit),
			     on_messages, s);
	}
	json_decref(search.tags);
	step(s);
}
