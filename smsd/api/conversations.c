#include "smsd/api/conversations.h"

#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "smsd/api/commands.h"
#include "smsd/api/conversation_request.h"
#include "smsd/messages/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_BYTES = 128, COUNT_MAX = 1000000 };

static bool in_group(const json_t *message)
{
	return strncmp(message_field(message, "conversationId"), GROUP_PREFIX, sizeof GROUP_PREFIX - 1) == 0;
}

/* The talk of two that a message begins or goes on with. Owned by the caller. */
static json_t *talk_of_two(const json_t *message)
{
	const char *from = message_field(message, "fromNumber"), *to = message_field(message, "toNumber");
	json_t *when = json_object_get(message, "createdAt");
	bool sorted = strcmp(from, to) <= 0;
	return json_build("{s:O, s:s, s:[s, s], s:O, s:O}", "conversationId",
			  json_object_get(message, "conversationId"), "type", "1-to-1", "participants",
			  sorted ? from : to, sorted ? to : from, "lastMessageAt", when, "updatedAt", when);
}

void conversation_ensure(struct smsd *s, const json_t *message, store_fn *fn, void *arg)
{
	json_t *talk = talk_of_two(message);
	if (in_group(message) || talk == NULL)
		store_get(s->store, STORE_CONVERSATIONS, "conversationId",
			  message_field(message, "conversationId"), fn, arg);
	else
		store_insert(s->store, STORE_CONVERSATIONS, talk, fn, arg);
	json_decref(talk);
}

void conversation_touch(struct smsd *s, const json_t *message, store_fn *fn, void *arg)
{
	const char *id = message_field(message, "conversationId");
	json_t *when = json_object_get(message, "createdAt");
	if (in_group(message)) {
		struct store_change change = {
			.key = id, .set = json_build("{s:O, s:O}", "lastMessageAt", when, "updatedAt", when)};
		store_update(s->store, STORE_CONVERSATIONS, &change, fn, arg);
		return;
	}
	json_t *talk = talk_of_two(message);
	store_put(s->store, STORE_CONVERSATIONS, talk, fn, arg);
	json_decref(talk);
}

void conversation_of(struct smsd *s, const char *from, const char *to, store_fn *fn, void *arg)
{
	json_t *a = json_text(from), *b = json_text(to);
	struct store_query q = {.where = json_build("[[s, s, [o, o]]]", "participants", "all", a, b),
				.limit = 1};
	store_find(s->store, STORE_CONVERSATIONS, &q, fn, arg);
}
/* ---- what a person sees ---- */

static json_t *conversation_public(const json_t *document, json_int_t count)
{
	static const char *const fields[] = {"conversationId", "type",          "name",      "participants",
					     "createdBy",      "lastMessageAt", "createdAt", "updatedAt"};
	json_t *talk = json_object();
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		json_t *value = json_object_get(document, fields[i]);
		if (value != NULL && !json_is_null(value))
			json_object_set(talk, fields[i], value);
	}
	json_object_set_new(talk, "messageCount", json_integer(count));
	return talk;
}

static json_t *conversation_filter(const char *id)
{
	return json_build("[[s, s, s]]", "conversationId", "=", id);
}

struct talk *talk_new(struct smsd *s, json_t *args, struct reply reply, const char *id)
{
	struct talk *t = xcalloc(1, sizeof *t);
	t->smsd = s;
	t->reply = reply;
	t->args = json_incref(args);
	t->id = xstrdup(id);
	t->http_status = 200;
	t->limit = LIST_DEFAULT;
	return t;
}

void talk_free(struct talk *t)
{
	json_decref(t->args);
	json_decref(t->document);
	json_decref(t->results);
	free(t->id);
	free(t->body);
	free(t);
}

static void on_counted(void *arg, json_t *result, const char *error)
{
	struct talk *t = arg;
	if (!answer_store_error(t->reply, error))
		answer_success(t->reply, t->http_status,
			       conversation_public(t->document, json_integer_value(result)), "%s", t->said);
	talk_free(t);
}

/* Answers with the conversation as it is. */
void talk_answer(struct talk *t)
{
	store_count(t->smsd->store, STORE_MESSAGES, conversation_filter(t->id), COUNT_MAX, on_counted, t);
}

static void on_talk(void *arg, json_t *result, const char *error)
{
	struct talk *t = arg;
	if (error == NULL && json_is_object(result)) {
		t->document = json_incref(result);
		t->next(t);
		return;
	}
	if (!answer_store_error(t->reply, error))
		answer_error(t->reply, 404, "not_found",
			     "No conversation has this conversationId; phony_list_conversations lists them.");
	talk_free(t);
}

/* Reads conversationId (and what `more` reads with the same reader), then goes on with next. */
void talk_look_up(struct talk *t, const char *said, void (*next)(struct talk *t))
{
	t->said = said;
	t->next = next;
	store_get(t->smsd->store, STORE_CONVERSATIONS, "conversationId", t->id, on_talk, t);
}

const char *talk_read_id(struct json_reader *r, json_t *args)
{
	const char *id = "";
	json_read_open(r, args);
	json_read_text(r, "conversationId", JSON_NEEDED, 1, ID_BYTES, &id);
	return id;
}

void get_details(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *id = talk_read_id(&r, args);
	if (!answer_faults(reply, &r))
		talk_look_up(talk_new(s, args, reply, id), "Conversation retrieved successfully",
			     talk_answer);
}

/* ---- lists ---- */

static void on_group_messages(void *arg, json_t *result, const char *error)
{
	struct talk *t = arg;
	json_t *messages = json_array(), *found = json_object_get(result, "documents");
	if (!answer_store_error(t->reply, error)) {
		/* The newest page, read from top to bottom. */
		for (size_t i = json_array_size(found); i-- > 0;)
			json_array_append_new(messages, message_public(json_array_get(found, i)));
		json_t *data = json_build("{s:s, s:I, s:O, s:O*, s:O*}", "conversationId", t->id,
					  "messageCount", (json_int_t)json_array_size(messages), "messages",
					  messages, "nextCursor", json_object_get(result, "nextCursor"),
					  "incomplete", json_object_get(result, "incomplete"));
		answer_success(t->reply, 200, data, "Found %zu message(s) in conversation",
			       json_array_size(messages));
	}
	json_decref(messages);
	talk_free(t);
}

static void find_messages(struct talk *t)
{
	struct store_query q = {.where = conversation_filter(t->id), .limit = t->limit, .cursor = t->cursor};
	store_find(t->smsd->store, STORE_MESSAGES, &q, on_group_messages, t);
}

void get_group_messages(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *id = talk_read_id(&r, args), *cursor = NULL;
	int64_t limit = LIST_DEFAULT;
	filter_read_page(&r, &limit, &cursor);
	if (answer_faults(reply, &r))
		return;
	struct talk *t = talk_new(s, args, reply, id);
	t->limit = limit;
	t->cursor = cursor;
	talk_look_up(t, "", find_messages);
}

struct listing {
	struct smsd *smsd;
	struct reply reply;
	json_t *found, *talks;
	size_t left;
};

struct one_count {
	struct listing *listing;
	size_t i;
};

static void listing_step(struct listing *l)
{
	if (--l->left > 0)
		return;
	answer_success(l->reply, 200,
		       json_build("{s:I, s:O, s:O*, s:O*}", "count", (json_int_t)json_array_size(l->talks),
				  "conversations", l->talks, "nextCursor",
				  json_object_get(l->found, "nextCursor"), "incomplete",
				  json_object_get(l->found, "incomplete")),
		       "Found %zu conversation(s)", json_array_size(l->talks));
	json_decref(l->found);
	json_decref(l->talks);
	free(l);
}

static void on_one_count(void *arg, json_t *result, const char *error)
{
	struct one_count *one = arg;
	(void)error;
	json_object_set_new(json_array_get(one->listing->talks, one->i), "messageCount",
			    json_integer(json_integer_value(result)));
	listing_step(one->listing);
	free(one);
}

static void on_talks(void *arg, json_t *result, const char *error)
{
	struct listing *l = arg;
	size_t i;
	json_t *document;
	if (answer_store_error(l->reply, error)) {
		free(l);
		return;
	}
	l->found = json_incref(result);
	l->talks = json_array();
	l->left = 1;
	json_array_foreach (json_object_get(result, "documents"), i, document) {
		struct one_count *one = xcalloc(1, sizeof *one);
		*one = (struct one_count){l, i};
		json_array_append_new(l->talks, conversation_public(document, 0));
		l->left++;
		store_count(l->smsd->store, STORE_MESSAGES,
			    conversation_filter(message_field(document, "conversationId")), COUNT_MAX,
			    on_one_count, one);
	}
	listing_step(l);
}

void list_conversations(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *number = "", *cursor = NULL;
	int64_t limit = LIST_DEFAULT;
	json_read_open(&r, args);
	json_read_address(&r, "phoneNumber", JSON_NEEDED, &number);
	filter_read_page(&r, &limit, &cursor);
	if (answer_faults(reply, &r))
		return;
	struct listing *l = xcalloc(1, sizeof *l);
	*l = (struct listing){.smsd = s, .reply = reply};
	struct store_query q = {.where = json_build("[[s, s, [s]]]", "participants", "all", number),
				.limit = limit,
				.cursor = cursor};
	store_find(s->store, STORE_CONVERSATIONS, &q, on_talks, l);
}
