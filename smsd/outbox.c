#include "smsd/outbox.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "smsd/conversations.h"
#include "smsd/optouts.h"
#include "smsd/segments.h"
#include "smsd/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTBOX_MAGIC 0x6f757462u

enum { PUMP_MS = 1000 }; /* how often work that is due is looked for */

static void pump(void *arg);

void outbox_request_ended(struct outbox *o)
{
	o->busy--;
	if (!o->pumping && !o->draining)
		timer_start(&o->pump, o->smsd->base, 0, pump, o);
}

/* ---- work that is due ---- */

struct claim {
	struct outbox *outbox;
	bool was_asking;
	json_t *document;
};

static void end_claim(struct claim *c)
{
	json_decref(c->document);
	free(c);
}

static void on_optout(void *arg, json_t *record, const char *error)
{
	struct task *t = arg;
	(void)error; /* unknown while the database is away: Twilio knows it too */
	if (optout_forbids(record)) {
		outbox_request_ended(t->outbox);
		task_failed(t, 403, "opted_out", OPTED_OUT, OPTOUT_ADVICE);
	} else {
		delivery_ask(t);
	}
}

/* The claim, read back: not every server that speaks MongoDB's protocol changes a document atomically. */
static void on_read_back(void *arg, json_t *result, const char *error)
{
	struct task *t = arg;
	if (error == NULL && json_is_object(result) && !delivery_is_ours(t->outbox, result)) {
		outbox_request_ended(t->outbox);
		task_end(t);
		return;
	}
	optout_look(t->outbox->smsd, message_field(t->document, "fromNumber"),
		    message_field(t->document, "toNumber"), on_optout, t);
}

static void on_claimed(void *arg, json_t *result, const char *error)
{
	struct claim *c = arg;
	struct outbox *o = c->outbox;
	const char *request_id = message_field(c->document, "requestId");
	struct task *t = task_find(o, request_id);
	if (error != NULL || !json_is_object(result) || (t != NULL && t->working)) {
		outbox_request_ended(o); /* another host was quicker, or we are at it already */
		end_claim(c);
		return;
	}
	if (t == NULL)
		t = task_new(o, request_id, NULL, NULL, NULL);
	task_take_document(t, result);
	t->claimed = mono_now();
	t->working = true;
	if (c->was_asking) {
		outbox_request_ended(o);
		delivery_look(t, 0);
	} else {
		store_get(o->smsd->store, STORE_MESSAGES, "requestId", t->request_id, on_read_back, t);
	}
	end_claim(c);
}

/* Takes a message for this host, if nobody else does: its dueAt must be the one seen. */
static void claim(struct outbox *o, json_t *document)
{
	int64_t now = wall_now().ms;
	struct claim *c = xcalloc(1, sizeof *c);
	*c = (struct claim){o, strcmp(message_field(document, "state"), "asking") == 0,
			    json_incref(document)};
	json_t *set =
		json_build("{s:o, s:s}", "dueAt", message_time(now + LEASE_MS), "owner", o->smsd->host_id);
	if (!c->was_asking) {
		json_object_set_new(set, "state", json_text("asking"));
		json_object_set_new(set, "askedAt", message_time(now));
		json_object_set_new(set, "status", json_text("queued"));
	}
	struct store_change change = {
		.key = message_field(document, "requestId"),
		.where = json_build("[[s, s, O]]", "dueAt", "=", json_object_get(document, "dueAt")),
		.set = set,
		.strict = true};
	o->busy++;
	store_update(o->smsd->store, STORE_MESSAGES, &change, on_claimed, c);
}

static void on_due(void *arg, json_t *result, const char *error)
{
	struct outbox *o = arg;
	size_t i;
	json_t *document;
	o->pumping = false;
	if (error != NULL)
		log_debug("work that is due cannot be read: %s", error);
	if (o->draining)
		return;
	json_array_foreach (json_object_get(result, "documents"), i, document)
		claim(o, document);
	timer_start(&o->pump, o->smsd->base, PUMP_MS, pump, o);
}

static void pump(void *arg)
{
	struct outbox *o = arg;
	int64_t now = wall_now().ms;
	if (o->draining || o->pumping)
		return;
	if (o->busy >= IN_FLIGHT || now < o->paused_until_ms) {
		timer_start(&o->pump, o->smsd->base, PUMP_MS, pump, o);
		return;
	}
	struct store_query due = {.where = json_build("[[s, s, o]]", "dueAt", "<=", message_time(now)),
				  .order = "dueAt",
				  .ascending = true,
				  .limit = IN_FLIGHT - o->busy};
	o->pumping = true;
	store_find(o->smsd->store, STORE_MESSAGES, &due, on_due, o);
}

/* ---- accepting ---- */

static json_t *new_document(const struct outgoing *m, const char *request_id)
{
	struct segments segments = segments_of(m->body);
	char *conversation =
		m->conversation_id ? xstrdup(m->conversation_id) : message_conversation_id(m->from, m->to);
	size_t media = json_array_size(m->media_urls);
	int64_t now = wall_now().ms;
	json_t *document = json_build(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:s, s:I, s:[], s:o, s:o, s:s*}",
		"messageSid", request_id, "requestId", request_id, "conversationId", conversation,
		"fromNumber", m->from, "toNumber", m->to, "direction", "outbound", "body", m->body, "status",
		m->send_at > now ? "scheduled" : "queued", "numMedia", (json_int_t)media, "mediaUrls",
		media ? json_deep_copy(m->media_urls) : json_array(), "encoding", segments.encoding,
		"segments", (json_int_t)segments.count, "tags", "createdAt", message_time(now), "updatedAt",
		message_time(now), "bulkId", m->bulk_id);
	free(conversation);
	if (document == NULL)
		panic("a message's document is no JSON");
	if (m->send_at > now)
		json_object_set_new(document, "sendAt", message_time(m->send_at));
	return document;
}

static void on_inserted(void *arg, json_t *result, const char *error)
{
	struct task *t = arg;
	struct outbox *o = t->outbox;
	bool inserted = json_is_true(json_object_get(result, "inserted"));
	bool now = strcmp(message_field(t->document, "state"), "asking") == 0;
	if (now && (error != NULL || !inserted))
		outbox_request_ended(o);
	if (error != NULL) {
		json_decref(t->document);
		t->document = NULL;
		task_answer(t, 503, "store", error);
		task_free(t);
		return;
	}
	task_take_document(t, json_object_get(result, "document"));
	if (inserted)
		message_news(o->smsd, t->document);
	if (inserted && now) {
		delivery_ask(t);
	} else if (!inserted || json_object_get(t->document, "sendAt") != NULL || t->fn == NULL ||
		   json_object_get(t->document, "bulkId") != NULL) {
		task_end(t);
	} else {
		t->working = false; /* its turn comes; who asked waits */
		if (!o->pumping)
			timer_start(&o->pump, o->smsd->base, 0, pump, o);
	}
}

void outbox_send(struct outbox *o, const struct outgoing *m, outbox_fn *fn, void *arg)
{
	OBJ_CHECK(o, OUTBOX_MAGIC);
	char request_id[REQUEST_ID_SIZE];
	int64_t now = wall_now().ms;
	if (m->request_id != NULL)
		snprintf(request_id, sizeof request_id, "%s", m->request_id);
	else
		message_request_id(request_id);
	json_t *document = new_document(m, request_id);
	bool at_once = m->send_at <= now && m->bulk_id == NULL && o->busy < IN_FLIGHT && !o->draining &&
		       now >= o->paused_until_ms;
	int64_t due = at_once ? now + LEASE_MS : m->send_at > now ? m->send_at : now;
	json_object_set_new(document, "state", json_text(at_once ? "asking" : "waiting"));
	json_object_set_new(document, "dueAt", message_time(due));
	json_object_set_new(document, "tries", json_integer(0));
	if (at_once) {
		json_object_set_new(document, "owner", json_text(o->smsd->host_id));
		json_object_set_new(document, "askedAt", message_time(now));
		o->busy++;
	}
	struct task *t = task_new(o, request_id, document, fn, arg);
	t->claimed = mono_now();
	t->working = true;
	conversation_touch(o->smsd, document, NULL, NULL);
	store_insert(o->smsd->store, STORE_MESSAGES, document, on_inserted, t);
}

/* ---- beginning and end ---- */

/* What this host had in its hands when it ended is due now. */
static void on_left(void *arg, json_t *result, const char *error)
{
	struct outbox *o = arg;
	size_t i;
	json_t *document;
	if (error != NULL)
		log_error("the outbox cannot be read: %s", error);
	json_array_foreach (json_object_get(result, "documents"), i, document) {
		struct store_change change = {
			.key = message_field(document, "requestId"),
			.where = json_build("[[s, s, s]]", "owner", "=", o->smsd->host_id),
			.set = json_build("{s:o}", "dueAt", message_time(wall_now().ms))};
		store_update(o->smsd->store, STORE_MESSAGES, &change, NULL, NULL);
	}
	if (i > 0)
		log_info("%zu messages were on their way when smsd ended: looking for them at Twilio", i);
	pump(o);
}

struct outbox *outbox_new(struct smsd *s)
{
	enum { LEFT_MAX = 100000 };
	struct outbox *o;
	OBJ_ALLOC(o, OUTBOX_MAGIC);
	o->smsd = s;
	LIST_INIT(&o->tasks);
	struct store_query left = {
		.where = json_build("[[s, s], [s, s, s]]", "dueAt", "present", "owner", "=", s->host_id),
		.order = "dueAt",
		.ascending = true,
		.limit = LEFT_MAX};
	store_find(s->store, STORE_MESSAGES, &left, on_left, o);
	return o;
}

void outbox_drain(struct outbox *o)
{
	OBJ_CHECK(o, OUTBOX_MAGIC);
	o->draining = true;
	timer_stop(&o->pump);
}

unsigned outbox_busy(const struct outbox *o)
{
	OBJ_CHECK(o, OUTBOX_MAGIC);
	return o->busy;
}

void outbox_free(struct outbox **oo)
{
	struct outbox *o = *oo;
	if (o == NULL)
		return;
	OBJ_CHECK(o, OUTBOX_MAGIC);
	timer_stop(&o->pump);
	while (!LIST_EMPTY(&o->tasks))
		task_end(LIST_FIRST(&o->tasks));
	OBJ_FREE(o);
	*oo = NULL;
}
