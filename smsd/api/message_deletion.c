/* Messages deleted, one or by filter: from the store, and from the conversations they were in. */
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/store/result.h"
#include "smsd/api/commands.h"
#include "smsd/api/conversations.h"
#include "smsd/messages/messages.h"
#include "smsd/messages/tombstones.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 500 };

struct deletion {
	struct smsd *smsd;
	struct reply reply;
	char *sid;     /* of one message, or NULL */
	json_t *where; /* of many, or NULL */
	json_t *page, *conversations;
	size_t left;
	json_int_t deleted;
	char *error;
};

static void deletion_free(struct deletion *d)
{
	json_decref(d->where);
	json_decref(d->page);
	json_decref(d->conversations);
	free(d->sid);
	free(d->error);
	free(d);
}

static void deletion_answer(struct deletion *d)
{
	if (d->error != NULL)
		answer_store_error(d->reply, d->error);
	else
		answer_success(d->reply, 200, json_build("{s:I}", "deletedCount", d->deleted),
			       "%lld message(s) deleted", (long long)d->deleted);
	deletion_free(d);
}

static void delete_page(struct deletion *d);

/* ---- conversations: the last message is the last of those that are left ---- */

struct tidying {
	struct deletion *deletion;
	char *id;
	bool removed;
};

static void tidying_end(struct tidying *t)
{
	struct deletion *d = t->deletion;
	free(t->id);
	free(t);
	if (--d->left > 0)
		return;
	json_decref(d->conversations);
	d->conversations = NULL;
	if (d->error == NULL && d->where != NULL)
		delete_page(d);
	else
		deletion_answer(d);
}

static void find_newest(struct tidying *t);

static void on_conversation_changed(void *arg, json_t *result, const char *error)
{
	struct tidying *t = arg;
	/* A message may have come while it was removed: looked at once more. */
	if (error == NULL && json_integer_value(result) > 0 && !t->removed) {
		t->removed = true;
		find_newest(t);
	} else {
		tidying_end(t);
	}
}

static void on_newest(void *arg, json_t *result, const char *error)
{
	struct tidying *t = arg;
	struct smsd *s = t->deletion->smsd;
	const json_t *newest = json_array_get(json_object_get(result, "documents"), 0);
	if (error != NULL || json_object_get(result, "incomplete") != NULL ||
	    (newest == NULL && t->removed)) {
		tidying_end(t);
	} else if (newest == NULL) {
		store_remove(s->store, STORE_CONVERSATIONS,
			     json_build("[[s, s, s], [s, s, s]]", "conversationId", "=", t->id, "type", "=",
					"1-to-1"),
			     on_conversation_changed, t);
	} else if (t->removed) {
		conversation_ensure(s, newest, on_conversation_changed, t);
	} else {
		struct store_change change = {
			.key = t->id,
			.set = json_build("{s:O}", "lastMessageAt", json_object_get(newest, "createdAt"))};
		store_update(s->store, STORE_CONVERSATIONS, &change, on_conversation_changed, t);
	}
}

static void find_newest(struct tidying *t)
{
	struct store_query q = {.where = json_build("[[s, s, s]]", "conversationId", "=", t->id), .limit = 1};
	store_find(t->deletion->smsd->store, STORE_MESSAGES, &q, on_newest, t);
}

static void on_removed(void *arg, json_t *result, const char *error)
{
	struct deletion *d = arg;
	const char *id;
	json_t *unused;
	if (error != NULL) {
		d->error = xstrdup(error);
		deletion_answer(d);
		return;
	}
	d->deleted += json_integer_value(result);
	d->left = json_object_size(d->conversations) + 1;
	json_object_foreach (d->conversations, id, unused) {
		struct tidying *t = xcalloc(1, sizeof *t);
		*t = (struct tidying){.deletion = d, .id = xstrdup(id)};
		find_newest(t);
	}
	struct tidying *last = xcalloc(1, sizeof *last);
	last->deletion = d;
	tidying_end(last);
}

/* ---- a page: a tombstone for each, then they go ---- */

static void tombstones_step(struct deletion *d)
{
	size_t i;
	json_t *message, *ids = json_array();
	if (--d->left > 0) {
		json_decref(ids);
		return;
	}
	d->conversations = json_object();
	json_array_foreach (d->page, i, message) {
		json_array_append(ids, json_object_get(message, "requestId"));
		if (message_field(message, "conversationId")[0] != '\0')
			json_object_set_new(d->conversations, message_field(message, "conversationId"),
					    json_true());
	}
	if (d->error != NULL) {
		json_decref(ids);
		deletion_answer(d);
		return;
	}
	/* What is still to be sent stays. */
	store_remove(d->smsd->store, STORE_MESSAGES,
		     json_build("[[s, s, o], [s, s]]", "requestId", "in", ids, "dueAt", "missing"),
		     on_removed, d);
}

static void on_tombstone(void *arg, json_t *result, const char *error)
{
	struct deletion *d = arg;
	(void)result;
	if (error != NULL && d->error == NULL)
		d->error = xstrdup(error);
	tombstones_step(d);
}

/* page is stolen. */
static void delete_these(struct deletion *d, json_t *page)
{
	size_t i;
	json_t *message;
	json_decref(d->page);
	d->page = page;
	d->left = 1;
	json_array_foreach (page, i, message) {
		d->left++;
		tombstone_set(d->smsd, message, on_tombstone, d);
	}
	tombstones_step(d);
}

static void on_page(void *arg, json_t *result, const char *error)
{
	struct deletion *d = arg;
	json_t *found = json_object_get(result, "documents");
	/* Those that are not to be seen now would stay, unmentioned. */
	error = answer_whole_error(result, error);
	if (error != NULL)
		d->error = xstrdup(error);
	if (error != NULL || json_array_size(found) == 0)
		deletion_answer(d);
	else
		delete_these(d, json_incref(found));
}

static void delete_page(struct deletion *d)
{
	struct store_query q = {.where = json_incref(d->where), .limit = PAGE};
	store_find(d->smsd->store, STORE_MESSAGES, &q, on_page, d);
}

static void on_one(void *arg, json_t *result, const char *error)
{
	struct deletion *d = arg;
	if (answer_store_error(d->reply, error)) {
		deletion_free(d);
	} else if (!json_is_object(result)) {
		answer_error(d->reply, 404, "not_found",
			     "Message not found: %s; phony_list_messages lists them.", d->sid);
		deletion_free(d);
	} else if (json_object_get(result, "dueAt") != NULL) {
		answer_error(
			d->reply, 409, "pending",
			"This message is still to be sent: take it back with phony_cancel_message first.");
		deletion_free(d);
	} else {
		delete_these(d, json_build("[O]", result));
	}
}

static struct deletion *deletion_new(struct smsd *s, struct reply reply)
{
	struct deletion *d = xcalloc(1, sizeof *d);
	d->smsd = s;
	d->reply = reply;
	return d;
}

void delete_message(struct smsd *s, json_t *args, struct reply reply)
{
	const char *sid = message_read_sid(args, reply);
	if (sid == NULL)
		return;
	struct deletion *d = deletion_new(s, reply);
	d->sid = xstrdup(sid);
	message_look_up(s, sid, on_one, d);
}

void delete_messages(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	json_t *where = message_read_filters(&r, true, true);
	if (json_read_ok(&r) && json_array_size(where) == 0)
		json_read_fault(&r, "give at least one filter: direction, fromNumber, toNumber, status, "
				    "startDate or endDate");
	if (answer_faults(reply, &r)) {
		json_decref(where);
		return;
	}
	json_array_append_new(where, json_build("[s, s]", "dueAt", "missing"));
	struct deletion *d = deletion_new(s, reply);
	d->where = where;
	delete_page(d);
}
