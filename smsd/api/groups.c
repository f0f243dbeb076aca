/* Groups: made, changed, written to. Each participant gets an own message. */
#include "lib/base/clock.h"
#include "lib/base/e164.h"
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "smsd/api/commands.h"
#include "smsd/api/conversation_request.h"
#include "smsd/api/conversations.h"
#include "smsd/messages/messages.h"
#include "smsd/outbox/outbox.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTICIPANTS_MAX = 100, NAME_BYTES = 200, GROUPS_MAX = 100, PLACES_MAX = 1000 };

static bool is_group(struct talk *t)
{
	if (strcmp(message_field(t->document, "type"), "group") == 0)
		return true;
	answer_error(t->reply, 409, "no_group", "This conversation is between two numbers, it is no group.");
	talk_free(t);
	return false;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* The numbers, sorted, each once, and `more` (or NULL) among them. Owned by the caller. */
static json_t *sorted_numbers(json_t *numbers, const char *more)
{
	json_t *items[PARTICIPANTS_MAX + 2], *result = json_array(), *extra = json_text(more), *number;
	size_t n = 0, at;
	json_array_foreach (numbers, at, number)
		if (n <= PARTICIPANTS_MAX && json_is_string(number))
			items[n++] = number;
	if (more != NULL)
		items[n++] = extra;
	qsort(items, n, sizeof *items, by_text);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || !json_equal(items[i], items[i - 1]))
			json_array_append(result, items[i]);
	json_decref(extra);
	return result;
}

/*
 * conv_group_ and the MD5 of the sorted numbers joined by ':', as the original
 * names groups; a later group that begins with the same numbers has its own place
 * in the hash. Which numbers take part may change; the id does not.
 */
static char *group_id(const json_t *numbers, unsigned place)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	char hex[2 * 16 + 1] = "", nth[16];
	struct buffer joined = {0};
	size_t i;
	json_t *number;
	json_array_foreach (numbers, i, number) {
		buffer_append_text(&joined, i ? ":" : "");
		buffer_append_text(&joined, json_string_value(number));
	}
	snprintf(nth, sizeof nth, "#%u", place);
	buffer_append_text(&joined, place > 0 ? nth : "");
	if (EVP_Digest(joined.data, joined.len, digest, &len, EVP_md5(), NULL) != 1)
		panic("OpenSSL has no MD5");
	for (i = 0; i < 16 && i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	buffer_free(&joined);
	return xasprintf("%s%s", GROUP_PREFIX, hex);
}

/* A group to be made: the first place whose id is free, or whose group has these numbers now. */
struct group_making {
	struct talk *talk;
	json_t *group, *numbers;
	unsigned place;
};

static void group_made(struct group_making *m, bool fresh, json_t *document)
{
	struct talk *t = m->talk;
	t->document = json_incref(document);
	free(t->id);
	t->id = xstrdup(message_field(document, "conversationId"));
	t->http_status = fresh ? 201 : 200;
	t->said = fresh ? "Group conversation created" : "A group of these numbers is there already";
	json_decref(m->group);
	json_decref(m->numbers);
	free(m);
	talk_answer(t);
}

static void group_failed(struct group_making *m, const char *error)
{
	answer_store_error(m->talk->reply, error);
	talk_free(m->talk);
	json_decref(m->group);
	json_decref(m->numbers);
	free(m);
}

static bool has_numbers(const json_t *group, const json_t *numbers)
{
	json_t *now = sorted_numbers(json_object_get(group, "participants"), NULL);
	bool same = json_equal(now, numbers);
	json_decref(now);
	return same;
}

static void try_place(struct group_making *m);

static void on_inserted(void *arg, json_t *result, const char *error)
{
	struct group_making *m = arg;
	json_t *document = json_object_get(result, "document");
	bool fresh = json_is_true(json_object_get(result, "inserted"));
	if (error != NULL || m->place > PLACES_MAX)
		group_failed(m, error ? error : "too many groups began with these numbers");
	else if (fresh || has_numbers(document, m->numbers))
		group_made(m, fresh, document);
	else
		try_place(m); /* people have joined or left it: it is another group by now */
}

static void try_place(struct group_making *m)
{
	char *id = group_id(m->numbers, m->place++);
	json_object_set_new(m->group, "conversationId", json_text(id));
	store_insert(m->talk->smsd->store, STORE_CONVERSATIONS, m->group, on_inserted, m);
	free(id);
}

/* A group that became one of these numbers, whatever it began with. */
static void on_groups(void *arg, json_t *result, const char *error)
{
	struct group_making *m = arg;
	size_t i;
	json_t *group;
	if (error != NULL) {
		group_failed(m, error);
		return;
	}
	json_array_foreach (json_object_get(result, "documents"), i, group)
		if (has_numbers(group, m->numbers)) {
			group_made(m, false, group);
			return;
		}
	try_place(m);
}

void create_group(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_t *participants = NULL, *number;
	const char *created_by = "", *name = "";
	size_t i;
	json_read_open(&r, args);
	json_read_texts(&r, "participants", JSON_NEEDED, 1, PARTICIPANTS_MAX, 64, &participants);
	json_read_number(&r, "createdBy", JSON_NEEDED, &created_by);
	json_read_text(&r, "name", JSON_OPTIONAL, 0, NAME_BYTES, &name);
	json_array_foreach (participants, i, number)
		if (!e164_valid(json_string_value(number)))
			json_read_fault(&r, "participants: %.*s: %s", TEXT_CUT(json_string_value(number), 32),
					E164_ADVICE);
	if (answer_faults(reply, &r))
		return;
	json_t *numbers = sorted_numbers(participants, created_by);
	if (json_array_size(numbers) < 3) {
		answer_error(reply, 400, "invalid",
			     "participants: a group has at least three numbers, createdBy among them; for "
			     "two, use "
			     "phony_send_sms and phony_get_conversation");
		json_decref(numbers);
		return;
	}
	json_t *now = message_time(wall_now().ms);
	struct group_making *m = xcalloc(1, sizeof *m);
	m->talk = talk_new(s, args, reply, "");
	m->numbers = json_incref(numbers);
	m->group = json_build("{s:s, s:O, s:s, s:s, s:O, s:O, s:o}", "type", "group", "participants", numbers,
			      "name", name, "createdBy", created_by, "lastMessageAt", now, "createdAt", now,
			      "updatedAt", now);
	struct store_query q = {.where = json_build("[[s, s, s], [s, s, o]]", "type", "=", "group",
						    "participants", "all", numbers),
				.limit = GROUPS_MAX};
	store_find(s->store, STORE_CONVERSATIONS, &q, on_groups, m);
}

static void on_changed(void *arg, json_t *result, const char *error)
{
	struct talk *t = arg;
	if (answer_store_error(t->reply, error)) {
		talk_free(t);
		return;
	}
	if (json_is_object(result) && json_object_get(result, "conversationId") != NULL) {
		json_decref(t->document);
		t->document = json_incref(result);
	}
	talk_answer(t);
}

static void change(struct talk *t, json_t *set, json_t *add, json_t *gone)
{
	json_object_set_new(set, "updatedAt", message_time(wall_now().ms));
	struct store_change c = {.key = t->id, .set = set, .add = add, .remove = gone};
	store_update(t->smsd->store, STORE_CONVERSATIONS, &c, on_changed, t);
}

static bool takes_part(const struct talk *t, const char *number)
{
	size_t i;
	json_t *one;
	json_array_foreach (json_object_get(t->document, "participants"), i, one)
		if (strcmp(json_string_value(one), number) == 0)
			return true;
	return false;
}

static void add_one(struct talk *t)
{
	if (!is_group(t))
		return;
	if (json_array_size(json_object_get(t->document, "participants")) >= PARTICIPANTS_MAX) {
		answer_error(t->reply, 409, "full", "A group has at most %d participants.", PARTICIPANTS_MAX);
		talk_free(t);
		return;
	}
	change(t, json_object(), json_build("{s:[s]}", "participants", t->number), NULL);
}

static void remove_one(struct talk *t)
{
	if (!is_group(t))
		return;
	if (!takes_part(t, t->number)) {
		answer_error(t->reply, 404, "not_found",
			     "phoneNumber does not take part in this conversation.");
		talk_free(t);
		return;
	}
	change(t, json_object(), NULL, json_build("{s:[s]}", "participants", t->number));
}

static void rename_group(struct talk *t)
{
	if (is_group(t))
		change(t, json_build("{s:s}", "name", t->name), NULL, NULL);
}

static void change_participant(struct smsd *s, json_t *args, struct reply reply, const char *said,
			       void (*next)(struct talk *t))
{
	struct json_reader r;
	const char *id = talk_read_id(&r, args), *number = "";
	json_read_number(&r, "phoneNumber", JSON_NEEDED, &number);
	if (answer_faults(reply, &r))
		return;
	struct talk *t = talk_new(s, args, reply, id);
	t->number = number;
	talk_look_up(t, said, next);
}

void add_participant(struct smsd *s, json_t *args, struct reply reply)
{
	change_participant(s, args, reply, "Participant added", add_one);
}

void remove_participant(struct smsd *s, json_t *args, struct reply reply)
{
	change_participant(s, args, reply, "Participant removed", remove_one);
}

void update_group_name(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *id = talk_read_id(&r, args), *name = "";
	json_read_text(&r, "name", JSON_NEEDED, 1, NAME_BYTES, &name);
	if (answer_faults(reply, &r))
		return;
	struct talk *t = talk_new(s, args, reply, id);
	t->name = name;
	talk_look_up(t, "Group renamed", rename_group);
}

/* ---- a message to all ---- */

struct recipient {
	struct talk *talk;
	char *number;
};

static void send_step(struct talk *t)
{
	if (--t->left > 0)
		return;
	size_t total = json_array_size(t->results), i;
	char failures[200] = "";
	json_t *one;
	json_array_foreach (t->results, i, one) {
		size_t used = strlen(failures);
		if (json_object_get(one, "error") != NULL)
			text_printf(failures + used, sizeof failures - used, "%s%s: %s", used ? "; " : "",
				    message_field(one, "toNumber"), message_field(one, "error"));
	}
	if (t->failed == total) {
		answer_error(t->reply, 502, "twilio", "The message was sent to none of %zu: %s", total,
			     failures);
	} else {
		json_t *data = json_build("{s:s, s:I, s:I, s:I, s:O}", "conversationId", t->id, "total",
					  (json_int_t)total, "sent", (json_int_t)(total - t->failed),
					  "failed", (json_int_t)t->failed, "results", t->results);
		answer_success(t->reply, 200, data, "Message sent to %zu of %zu participants%s%s",
			       total - t->failed, total, t->failed ? "; not to " : "", failures);
	}
	talk_free(t);
}

static void on_sent(void *arg, const struct outbox_end *end)
{
	struct recipient *one = arg;
	struct talk *t = one->talk;
	json_t *result = json_build(
		"{s:s, s:s*, s:s*}", "toNumber", one->number, "messageSid",
		json_string_value(json_object_get(end->document, "messageSid")), "status",
		end->error_status ? "failed" : json_string_value(json_object_get(end->document, "status")));
	if (end->error_status != 0) {
		json_object_set_new(result, "error", json_text(end->message));
		t->failed++;
	}
	json_array_append_new(t->results, result);
	free(one->number);
	free(one);
	send_step(t);
}

static void send_to_all(struct talk *t)
{
	size_t i;
	json_t *number;
	if (!is_group(t))
		return;
	if (!takes_part(t, t->wish.from)) {
		answer_error(t->reply, 400, "invalid", "fromNumber does not take part in this conversation.");
		talk_free(t);
		return;
	}
	t->results = json_array();
	t->left = 1;
	json_array_foreach (json_object_get(t->document, "participants"), i, number) {
		const char *to = json_string_value(number);
		if (strcmp(to, t->wish.from) == 0)
			continue;
		struct recipient *one = xcalloc(1, sizeof *one);
		*one = (struct recipient){t, xstrdup(to)};
		t->left++;
		struct outgoing m = {.to = to,
				     .from = t->wish.from,
				     .body = t->body,
				     .media_urls = t->wish.media_urls,
				     .conversation_id = t->id};
		outbox_send(t->smsd->outbox, &m, on_sent, one);
	}
	if (t->left == 1) {
		answer_error(t->reply, 409, "empty",
			     "Nobody but fromNumber takes part in this conversation.");
		talk_free(t);
		return;
	}
	send_step(t);
}

void send_group(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	struct wish wish;
	char why[200];
	const char *id = talk_read_id(&r, args), *from = "";
	wish_read(s, &r, &wish, false);
	json_read_number(&r, "fromNumber", JSON_NEEDED, &from);
	if (wish.template_name != NULL)
		json_read_fault(&r, "template cannot be used in a group; send its text as body");
	if (json_read_given(&r, "sendAt"))
		json_read_fault(&r, "sendAt cannot be used in a group: it is sent to now");
	if (answer_faults(reply, &r))
		return;
	char *body = wish_body(&wish, NULL, NULL, why, sizeof why);
	if (body == NULL) {
		answer_error(reply, 400, "invalid", "%s", why);
		return;
	}
	struct talk *t = talk_new(s, args, reply, id);
	t->wish = wish;
	t->body = body;
	talk_look_up(t, "", send_to_all);
}
