#include "smsd/outbox/outbox.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "smsd/api/conversations.h"
#include "smsd/messages/segments.h"
#include "smsd/outbox/outbox_task.h"
#include "smsd/outbox/send_checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTBOX_MAGIC 0x6f757462u

enum {
	PUMP_MS = 1000,    /* how often work that is due is looked for */
	UNKNOWN_MS = 5000, /* until a check that could not be made is made again */
};

static void pump(void *arg);

void outbox_doubt(struct outbox *o, const char *error)
{
	o->uncertain = o->uncertain || (error != NULL && store_failure(error) != STORE_REFUSED);
}

void outbox_request_ended(struct outbox *o)
{
	o->busy--;
	if (!o->pumping && !o->draining)
		timer_start(&o->pump, o->smsd->base, 0, pump, o);
}

/* ---- work that is due ---- */

struct claim {
	struct outbox *outbox;
	enum outbox_action action;
	json_t *document;
};

static void end_claim(struct claim *c)
{
	json_decref(c->document);
	free(c);
}

static void on_gate(void *arg, const struct gate_answer *answer)
{
	struct task *t = arg;
	struct outbox_fact fact = {.http_status = answer->http_status,
				   .code = answer->code,
				   .error_code = answer->error_code,
				   .message = answer->message,
				   .due_ms = wall_now().ms + UNKNOWN_MS};
	if (answer->verdict == GATE_OPEN) {
		delivery_ask(t);
		return;
	}
	outbox_request_ended(t->outbox);
	task_happened(t,
		      answer->verdict == GATE_REFUSED    ? OUTBOX_FORBIDDEN
		      : answer->verdict == GATE_CANCELED ? OUTBOX_WITHDRAWN
							 : OUTBOX_POSTPONED,
		      &fact);
}

/*
 * The claim, read back: not every server that speaks MongoDB's protocol changes a
 * document atomically; and it may have been canceled meanwhile.
 */
static void on_read_back(void *arg, json_t *result, const char *error)
{
	struct task *t = arg;
	if (error == NULL && json_is_object(result) && !delivery_is_ours(t->outbox, result)) {
		outbox_request_ended(t->outbox);
		task_end(t);
		return;
	}
	task_take_document(t, result);
	if (outbox_state_of(t->document) == OUTBOX_STOPPING) {
		outbox_request_ended(t->outbox);
		task_happened(t, OUTBOX_WITHDRAWN, NULL);
		return;
	}
	gate_check(t->outbox->smsd, message_field(t->document, "fromNumber"),
		   message_field(t->document, "toNumber"), message_field(t->document, "bulkId"), on_gate, t);
}

static void on_claimed(void *arg, json_t *result, const char *error)
{
	struct claim *c = arg;
	struct outbox *o = c->outbox;
	const char *request_id = message_field(c->document, "requestId");
	struct task *t = task_find(o, request_id);
	outbox_doubt(o, error);
	if (error != NULL) {
		o->busy--; /* the pump comes by again, and not sooner: it would fare no better */
		end_claim(c);
		return;
	}
	if (!json_is_object(result) || (t != NULL && t->working)) {
		outbox_request_ended(o); /* another host was quicker, or we are at it already */
		end_claim(c);
		return;
	}
	if (t == NULL)
		t = task_new(o, request_id, NULL, NULL, NULL);
	task_take_document(t, result);
	t->claimed = mono_now();
	t->working = true;
	if (c->action == OUTBOX_LOOK) {
		outbox_request_ended(o);
		task_happened(t, OUTBOX_DUE, NULL);
	} else {
		store_get(o->smsd->store, STORE_MESSAGES, "requestId", t->request_id, on_read_back, t);
	}
	end_claim(c);
}

/* Takes a message for this host, if nobody else does: its dueAt and state must be those seen. */
static void claim(struct outbox *o, json_t *document)
{
	int64_t now = wall_now().ms;
	enum outbox_state state = outbox_state_of(document);
	struct claim *c = xcalloc(1, sizeof *c);
	*c = (struct claim){o, outbox_action(state, OUTBOX_DUE), json_incref(document)};
	json_t *set =
		json_build("{s:o, s:s}", "dueAt", message_time(now + LEASE_MS), "owner", o->smsd->host_id);
	if (c->action == OUTBOX_ASK) {
		json_object_set_new(set, "state", json_text(outbox_state_name(OUTBOX_ASKING)));
		json_object_set_new(set, "askedAt", message_time(now));
		json_object_set_new(set, "status", json_text("queued"));
	}
	struct store_change change = {
		.key = message_field(document, "requestId"),
		.where = json_build("[[s, s, O]]", "dueAt", "=", json_object_get(document, "dueAt")),
		.set = set,
		.strict = true};
	if (state != OUTBOX_SETTLED)
		json_array_append_new(change.where,
				      json_build("[s, s, s]", "state", "=", outbox_state_name(state)));
	o->busy++;
	store_update(o->smsd->store, STORE_MESSAGES, &change, on_claimed, c);
}

/* Not to be sent, and due all the same: an import's. */
static void drop_due(struct outbox *o, json_t *document)
{
	struct store_change change = {.key = message_field(document, "requestId"),
				      .where = json_build("[[s, s]]", "state", "missing"),
				      .unset = json_build("[s]", "dueAt")};
	store_update(o->smsd->store, STORE_MESSAGES, &change, NULL, NULL);
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
		if (outbox_action(outbox_state_of(document), OUTBOX_DUE) != OUTBOX_NOTHING)
			claim(o, document);
		else
			drop_due(o, document);
	timer_start(&o->pump, o->smsd->base, PUMP_MS, pump, o);
}

static void on_due_now(void *arg, json_t *result, const char *error)
{
	struct outbox *o = arg;
	outbox_doubt(o, error);
	if (json_is_object(result))
		log_info("message %s was left on its way: looking for it at Twilio",
			 message_field(result, "requestId"));
}

/*
 * This host's messages that it is not at work on: a process before this one had
 * them, or the store took a change and its answer was lost. They are due now, not
 * only when their lease ends.
 */
static void on_left(void *arg, json_t *result, const char *error)
{
	struct outbox *o = arg;
	size_t i;
	json_t *document;
	outbox_doubt(o, error);
	o->uncertain = o->uncertain || json_object_get(result, "incomplete") != NULL;
	json_array_foreach (json_object_get(result, "documents"), i, document) {
		if (task_find(o, message_field(document, "requestId")) != NULL)
			continue;
		struct store_change change = {
			.key = message_field(document, "requestId"),
			.where = json_build("[[s, s, s], [s, s, O]]", "owner", "=", o->smsd->host_id, "dueAt",
					    "=", json_object_get(document, "dueAt")),
			.set = json_build("{s:o}", "dueAt", message_time(wall_now().ms)),
			.strict = true};
		store_update(o->smsd->store, STORE_MESSAGES, &change, on_due_now, o);
	}
}

static void find_left(struct outbox *o)
{
	enum { LEFT_MAX = 100000 };
	struct store_query left = {.where = json_build("[[s, s], [s, s, s]]", "dueAt", "present", "owner",
						       "=", o->smsd->host_id),
				   .order = "dueAt",
				   .ascending = true,
				   .limit = LEFT_MAX};
	o->uncertain = false;
	store_find(o->smsd->store, STORE_MESSAGES, &left, on_left, o);
}

static void pump(void *arg)
{
	struct outbox *o = arg;
	int64_t now = wall_now().ms;
	if (o->draining || o->pumping)
		return;
	if (o->uncertain)
		find_left(o);
	if (o->busy >= IN_FLIGHT || mono_now().us < o->paused_until.us) {
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
	if (m->send_at > now)
		json_object_set_new(document, "sendAt", message_time(m->send_at));
	return document;
}

static void on_inserted(void *arg, json_t *result, const char *error)
{
	struct task *t = arg;
	struct outbox *o = t->outbox;
	bool inserted = json_is_true(json_object_get(result, "inserted"));
	bool now = outbox_state_of(t->document) == OUTBOX_ASKING;
	if (now && (error != NULL || !inserted))
		outbox_request_ended(o);
	if (error != NULL) {
		json_decref(t->document);
		t->document = NULL;
		task_answer(t, answer_store_status(error), "store", error);
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

/* Through the gate: stored, and sent at once if it is its turn. */
static void take_in(struct task *t)
{
	struct outbox *o = t->outbox;
	int64_t now = wall_now().ms;
	struct wall_ms send_at = {0};
	wall_parse(message_field(t->document, "sendAt"), &send_at);
	bool at_once = send_at.ms <= now && json_object_get(t->document, "bulkId") == NULL &&
		       o->busy < IN_FLIGHT && !o->draining && mono_now().us >= o->paused_until.us;
	int64_t due = at_once ? now + LEASE_MS : send_at.ms > now ? send_at.ms : now;
	json_object_set_new(t->document, "state",
			    json_text(outbox_state_name(at_once ? OUTBOX_ASKING : OUTBOX_WAITING)));
	json_object_set_new(t->document, "dueAt", message_time(due));
	json_object_set_new(t->document, "tries", json_integer(0));
	if (at_once) {
		json_object_set_new(t->document, "owner", json_text(o->smsd->host_id));
		json_object_set_new(t->document, "askedAt", message_time(now));
		o->busy++;
	}
	t->claimed = mono_now();
	conversation_touch(o->smsd, t->document, NULL, NULL);
	store_insert(o->smsd->store, STORE_MESSAGES, t->document, on_inserted, t);
}

static void on_entrance(void *arg, const struct gate_answer *answer)
{
	struct task *t = arg;
	/* What is unknown now is asked again before Twilio is. */
	if (answer->verdict == GATE_OPEN || answer->verdict == GATE_UNKNOWN) {
		take_in(t);
		return;
	}
	json_decref(t->document);
	t->document = NULL;
	task_answer(t, answer->http_status ? answer->http_status : 409,
		    answer->code ? answer->code : "canceled",
		    answer->message ? answer->message : "Its bulk sending was canceled.");
	task_free(t);
}

void outbox_send(struct outbox *o, const struct outgoing *m, outbox_fn *fn, void *arg)
{
	OBJ_CHECK(o, OUTBOX_MAGIC);
	char request_id[REQUEST_ID_SIZE];
	if (m->request_id != NULL)
		snprintf(request_id, sizeof request_id, "%s", m->request_id);
	else
		message_request_id(request_id);
	struct task *t = task_new(o, request_id, new_document(m, request_id), fn, arg);
	t->working = true;
	/* Each of a bulk passes when its turn comes; one that may not be sent is kept as failed, for its
	 * report. */
	if (m->bulk_id != NULL)
		take_in(t);
	else
		gate_check(o->smsd, m->from, m->to, NULL, on_entrance, t);
}

/* ---- beginning and end ---- */

struct outbox *outbox_new(struct smsd *s)
{
	struct outbox *o;
	OBJ_ALLOC(o, OUTBOX_MAGIC);
	o->smsd = s;
	LIST_INIT(&o->tasks);
	o->uncertain = true;
	pump(o);
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
