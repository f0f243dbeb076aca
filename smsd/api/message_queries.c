/* Messages that are there: listed, searched, fetched. */
#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/store/result.h"
#include "lib/store/tokenize.h"
#include "smsd/api/commands.h"
#include "smsd/messages/messages.h"
#include "smsd/messages/tombstones.h"

#include <stdlib.h>
#include <string.h>

struct question {
	struct smsd *smsd;
	struct reply reply;
	char *sid, *numbers[2];
};

static struct question *new_question(struct smsd *s, struct reply reply)
{
	struct question *q = xcalloc(1, sizeof *q);
	q->smsd = s;
	q->reply = reply;
	return q;
}

static void free_question(struct question *q)
{
	free(q->sid);
	free(q->numbers[0]);
	free(q->numbers[1]);
	free(q);
}

/* ---- filters ---- */

json_t *message_read_filters(struct json_reader *r, bool with_numbers, bool with_status)
{
	static const char *const directions[] = {"inbound", "outbound", NULL};
	const char *direction = NULL, *from = NULL, *to = NULL, *status = NULL;
	int64_t start_ms = 0, end_ms = 0;
	json_t *where = json_array();
	json_read_word(r, "direction", JSON_OPTIONAL, directions, &direction);
	if (with_numbers) {
		json_read_address(r, "fromNumber", JSON_OPTIONAL, &from);
		json_read_address(r, "toNumber", JSON_OPTIONAL, &to);
	}
	if (with_status)
		json_read_word(r, "status", JSON_OPTIONAL, message_statuses, &status);
	json_read_time(r, "startDate", JSON_OPTIONAL, &start_ms);
	json_read_until(r, "endDate", JSON_OPTIONAL, &end_ms);
	filter_equal(where, "direction", direction);
	filter_equal(where, "fromNumber", from);
	filter_equal(where, "toNumber", to);
	filter_equal(where, "status", status);
	filter_time(where, "createdAt", ">=", start_ms);
	filter_time(where, "createdAt", "<", end_ms);
	return where;
}

/* ---- lists ---- */

static void on_list(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	answer_list(q->reply, result, error, "messages", "message(s)", message_public);
	free_question(q);
}

void list_messages(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *cursor = NULL;
	int64_t limit = LIST_DEFAULT;
	json_read_open(&r, args);
	json_t *where = message_read_filters(&r, true, true);
	filter_read_page(&r, &limit, &cursor);
	if (answer_faults(reply, &r)) {
		json_decref(where);
		return;
	}
	struct store_query query = {.where = where, .limit = limit, .cursor = cursor};
	store_find(s->store, STORE_MESSAGES, &query, on_list, new_question(s, reply));
}

void search_messages(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *cursor = NULL, *query_text = "", *number = NULL;
	int64_t limit = LIST_DEFAULT;
	json_read_open(&r, args);
	json_read_text(&r, "query", JSON_NEEDED, 1, 500, &query_text);
	json_read_address(&r, "phoneNumber", JSON_OPTIONAL, &number);
	json_t *where = message_read_filters(&r, false, false);
	filter_read_page(&r, &limit, &cursor);
	json_t *words = words_of(query_text, true);
	if (query_text[0] != '\0' && json_array_size(words) == 0)
		json_read_fault(&r, "query has no word to search for");
	if (answer_faults(reply, &r)) {
		json_decref(where);
		json_decref(words);
		return;
	}
	json_array_append_new(where, json_build("[s, s, o]", "body", "text", words));
	if (number != NULL)
		json_array_append_new(where, json_build("[n, s, [[[s, s, s]], [[s, s, s]]]]", "or",
							"fromNumber", "=", number, "toNumber", "=", number));
	struct store_query query = {.where = where, .limit = limit, .cursor = cursor};
	store_find(s->store, STORE_MESSAGES, &query, on_list, new_question(s, reply));
}

static void on_conversation(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	json_t *messages = json_array(), *found = json_object_get(result, "documents");
	/* The newest page, read from top to bottom. */
	for (size_t i = json_array_size(found); i-- > 0;)
		json_array_append_new(messages, message_public(json_array_get(found, i)));
	if (!answer_store_error(q->reply, error))
		answer_success(q->reply, 200,
			       json_build("{s:s, s:s, s:I, s:O, s:O*, s:O*}", "phoneNumber1", q->numbers[0],
					  "phoneNumber2", q->numbers[1], "messageCount",
					  (json_int_t)json_array_size(messages), "conversation", messages,
					  "nextCursor", json_object_get(result, "nextCursor"), "incomplete",
					  json_object_get(result, "incomplete")),
			       "Found %zu message(s) in conversation", json_array_size(messages));
	json_decref(messages);
	free_question(q);
}

void get_conversation(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *one = "", *two = "", *cursor = NULL;
	int64_t limit = LIST_DEFAULT;
	json_read_open(&r, args);
	json_read_address(&r, "phoneNumber1", JSON_NEEDED, &one);
	json_read_address(&r, "phoneNumber2", JSON_NEEDED, &two);
	filter_read_page(&r, &limit, &cursor);
	if (answer_faults(reply, &r))
		return;
	struct question *q = new_question(s, reply);
	q->numbers[0] = xstrdup(one);
	q->numbers[1] = xstrdup(two);
	char *id = message_conversation_id(one, two);
	struct store_query query = {.where = json_build("[[s, s, s]]", "conversationId", "=", id),
				    .limit = limit,
				    .cursor = cursor};
	store_find(s->store, STORE_MESSAGES, &query, on_conversation, q);
	free(id);
}

/* ---- one ---- */

/* A message of Twilio's as a document of ours. Owned by the caller. */
static json_t *from_twilio(json_t *body)
{
	const char *sid = "", *from = "", *to = "", *text = "", *status = "", *direction = "", *created = "";
	const char *media = "0", *segments = "0", *error_message = NULL;
	int64_t error_code = 0;
	struct wall_ms when = wall_now();
	struct json_reader r;
	json_read_open(&r, body);
	json_read_text(&r, "sid", JSON_NEEDED, 34, 34, &sid);
	json_read_text(&r, "from", JSON_OPTIONAL, 0, 64, &from);
	json_read_text(&r, "to", JSON_OPTIONAL, 0, 64, &to);
	json_read_text(&r, "body", JSON_OPTIONAL, 0, MESSAGE_BYTES * 2, &text);
	json_read_text(&r, "status", JSON_OPTIONAL, 0, 40, &status);
	json_read_text(&r, "direction", JSON_OPTIONAL, 0, 40, &direction);
	json_read_text(&r, "date_created", JSON_OPTIONAL, 0, 64, &created);
	json_read_text(&r, "num_media", JSON_OPTIONAL, 0, 8, &media);
	json_read_text(&r, "num_segments", JSON_OPTIONAL, 0, 8, &segments);
	json_read_text(&r, "error_message", JSON_OPTIONAL, 1, 1000, &error_message);
	json_read_int(&r, "error_code", JSON_OPTIONAL, 0, 999999, &error_code);
	twilio_date(created, &when);
	char *conversation = message_conversation_id(from, to);
	json_t *document =
		json_build("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:[], s:I, s:[], s:o, s:o, s:s*}",
			   "messageSid", sid, "conversationId", conversation, "fromNumber", from, "toNumber",
			   to, "direction", strcmp(direction, "inbound") == 0 ? "inbound" : "outbound",
			   "body", text, "status", status, "numMedia", (json_int_t)atoi(media), "mediaUrls",
			   "segments", (json_int_t)atoi(segments), "tags", "createdAt", message_time(when.ms),
			   "updatedAt", message_time(when.ms), "errorMessage", error_message);
	if (error_code != 0)
		json_object_set_new(document, "errorCode", json_integer(error_code));
	free(conversation);
	return document;
}

static void not_found(struct question *q)
{
	answer_error(q->reply, 404, "not_found", "Message not found: %s; phony_list_messages lists them.",
		     q->sid);
	free_question(q);
}

static void on_twilio(void *arg, const struct twilio_answer *a)
{
	struct question *q = arg;
	if (a->outcome == TWILIO_DONE) {
		json_t *document = from_twilio(a->body);
		/*
		 * What somebody sent us and no webhook brought is kept. Our own are not: one
		 * whose answer was lost is still to be recognised by the outbox.
		 */
		if (strcmp(message_field(document, "direction"), "inbound") == 0)
			store_insert(q->smsd->store, STORE_MESSAGES, document, NULL, NULL);
		answer_success(q->reply, 200, message_public(document), "Message retrieved from Twilio");
		json_decref(document);
		free_question(q);
	} else if (a->outcome == TWILIO_REFUSED && a->code == TWILIO_NOT_FOUND) {
		not_found(q);
	} else {
		answer_error(q->reply, 502, "twilio", "%s", a->message);
		free_question(q);
	}
}

/* Twilio may still have what was deleted here. */
static void on_tombstone(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (answer_store_error(q->reply, error)) {
		free_question(q);
	} else if (json_is_object(result)) {
		answer_error(q->reply, 404, "deleted", "Message %s was deleted here.", q->sid);
		free_question(q);
	} else {
		twilio_fetch_message(q->smsd->twilio, q->sid, on_twilio, q);
	}
}

static void on_message(void *arg, json_t *result, const char *error)
{
	struct question *q = arg;
	if (answer_store_error(q->reply, error)) {
		free_question(q);
	} else if (json_is_object(result)) {
		answer_success(q->reply, 200, message_public(result), "Message retrieved successfully");
		free_question(q);
	} else if (twilio_is_message_sid(q->sid)) {
		tombstone_look(q->smsd, q->sid, on_tombstone, q);
	} else {
		not_found(q);
	}
}

void get_message(struct smsd *s, json_t *args, struct reply reply)
{
	const char *sid = message_read_sid(args, reply);
	if (sid == NULL)
		return;
	struct question *q = new_question(s, reply);
	q->sid = xstrdup(sid);
	message_look_up(s, sid, on_message, q);
}
