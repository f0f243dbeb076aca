/* A message and Twilio: asked for once, looked for when the answer is unclear. */
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "smsd/outbox/outbox_task.h"
#include "smsd/outbox/twilio_match.h"

#include <stdlib.h>
#include <string.h>

enum {
	LOOK_AGAIN_MS = 6000,
	LAG_MS = 8000,             /* of Twilio's lists behind what it has accepted */
	CLOCK_SLACK_MS = 5000,     /* between its clock in an answer's Date and in a message's creation */
	CLOCK_UNKNOWN_MS = 300000, /* between Twilio's clock and ours, when it did not tell */
	DELAY_MAX_S = 300,         /* between tries */
	GIVE_UP_MS = 36000000,     /* ten hours: what Twilio itself would keep a message queued */
};

static int64_t asked_ms(const struct task *t)
{
	struct wall_ms asked = wall_now();
	wall_parse(message_field(t->document, "askedAt"), &asked);
	return asked.ms;
}

static int timeout_ms(const struct task *t)
{
	return (int)t->outbox->smsd->config->twilio_timeout_s * 1000;
}

/* ---- asking Twilio ---- */

static int64_t begun_ms(const json_t *document)
{
	struct wall_ms when = {0};
	const char *send_at = message_field(document, "sendAt");
	wall_parse(send_at[0] ? send_at : message_field(document, "createdAt"), &when);
	return when.ms;
}

/* Surely not accepted: again, after a delay that doubles. */
static void try_later(struct task *t, const struct twilio_answer *a)
{
	struct outbox *o = t->outbox;
	int64_t tries = json_integer_value(json_object_get(t->document, "tries")), now = wall_now().ms;
	int64_t delay_s = tries < 9 ? 1 << tries : DELAY_MAX_S;
	if (delay_s > DELAY_MAX_S)
		delay_s = DELAY_MAX_S;
	if (a->retry_after_s > delay_s)
		delay_s = a->retry_after_s;
	if (a->retry_after_s > 0)
		o->paused_until.us = mono_now().us + a->retry_after_s * INT64_C(1000000);
	log_warn("message %s waits %lld s: %s", t->request_id, (long long)delay_s, a->message);
	struct outbox_fact fact = {
		.http_status = 504,
		.code = "unreachable",
		.error_code = a->code,
		.message = "Twilio could not be reached, or did not accept it, for ten hours.",
		.due_ms = now + delay_s * 1000};
	bool expired = now - begun_ms(t->document) > GIVE_UP_MS;
	task_happened(t, expired ? OUTBOX_EXPIRED : OUTBOX_POSTPONED, &fact);
}

static void on_created(void *arg, const struct twilio_answer *a)
{
	struct task *t = arg;
	struct outbox_fact fact = {.status = "queued",
				   .http_status = 502,
				   .code = "twilio",
				   .error_code = a->code,
				   .message = a->message};
	outbox_request_ended(t->outbox);
	if (a->outcome == TWILIO_DONE) {
		struct json_reader r;
		json_read_open(&r, a->body);
		json_read_text(&r, "sid", JSON_NEEDED, 34, 34, &fact.sid);
		json_read_text(&r, "status", JSON_OPTIONAL, 1, 40, &fact.status);
	}
	if (a->http_status != 0)
		t->quiet_ms = wall_now().ms;
	if (fact.sid != NULL)
		task_happened(t, OUTBOX_ACCEPTED, &fact);
	else if (a->outcome == TWILIO_REFUSED)
		task_happened(t, OUTBOX_REFUSED, &fact);
	else if (a->outcome == TWILIO_UNREACHED)
		try_later(t, a);
	else
		task_happened(t, OUTBOX_UNCLEAR, &fact);
}

void delivery_ask(struct task *t)
{
	struct smsd *s = t->outbox->smsd;
	/* Too late: another host may have it by now, and what asks for it later would not wait long enough.
	 */
	if (mono_now().us - t->claimed.us > ASK_WITHIN_MS * 1000LL) {
		outbox_request_ended(t->outbox);
		task_end(t);
		return;
	}
	/* The id in the URL lets a callback name the message even if the answer is lost. */
	char *callback = xasprintf("%s/sms/status?id=%s#rc=5&rp=all", s->config->public_url, t->request_id);
	struct twilio_message m = {.to = message_field(t->document, "toNumber"),
				   .from = message_field(t->document, "fromNumber"),
				   .body = message_field(t->document, "body"),
				   .media_urls = json_object_get(t->document, "mediaUrls"),
				   .status_callback = callback};
	t->working = true;
	t->quiet_ms = wall_now().ms + timeout_ms(t);
	twilio_create_message(s->twilio, &m, on_created, t);
	free(callback);
}

/* ---- looking at Twilio ---- */

/*
 * That Twilio's list does not have it says something only once no request for it
 * can be alive and the list has had time to catch up.
 */
static void nothing_found(struct task *t)
{
	int64_t sure_ms = t->quiet_ms + LAG_MS, left_ms = sure_ms - wall_now().ms;
	struct outbox_fact fact = {.due_ms = wall_now().ms};
	if (t->looked_ms < sure_ms) {
		delivery_look(t, left_ms < 0 ? 0 : left_ms < LOOK_AGAIN_MS ? (int)left_ms : LOOK_AGAIN_MS);
		return;
	}
	log_info("Twilio does not have message %s", t->request_id);
	task_happened(t, OUTBOX_ABSENT, &fact);
}

static bool being_named(struct outbox *o, const char *sid)
{
	struct task *t;
	LIST_FOREACH (t, &o->tasks, next)
		if (t->named != NULL && strcmp(t->named, sid) == 0)
			return true;
	return false;
}

struct candidates {
	struct task *task;
	json_t *sids;
};

/* Those of Twilio's list that are no message of ours yet: one of them is this one. */
static void on_known(void *arg, json_t *result, const char *error)
{
	struct candidates *c = arg;
	struct task *t = c->task;
	size_t i, k;
	json_t *sid, *known;
	struct outbox_fact fact = {.status = "queued"};
	json_array_foreach (c->sids, i, sid) {
		bool taken = being_named(t->outbox, json_string_value(sid));
		json_array_foreach (json_object_get(result, "documents"), k, known)
			taken = taken || json_equal(json_object_get(known, "messageSid"), sid);
		if (!taken)
			fact.sid = json_string_value(sid); /* the oldest: the list is newest first */
	}
	if (error != NULL)
		delivery_look(t, LOOK_AGAIN_MS);
	else if (fact.sid != NULL)
		task_happened(t, OUTBOX_ACCEPTED, &fact);
	else
		nothing_found(t);
	json_decref(c->sids);
	free(c);
}

/* When the request was made, by Twilio's clock, as far as this answer tells it. */
static int64_t not_before_ms(const struct task *t, const struct twilio_answer *a)
{
	if (a->date_s == 0)
		return asked_ms(t) - CLOCK_UNKNOWN_MS;
	return asked_ms(t) + (a->date_s * 1000 - wall_now().ms) - CLOCK_SLACK_MS;
}

static void on_looked(void *arg, const struct twilio_answer *a)
{
	struct task *t = arg;
	json_t *list = NULL, *item;
	struct json_reader r;
	size_t i;
	outbox_request_ended(t->outbox);
	if (a->outcome != TWILIO_DONE) {
		delivery_look(t, LOOK_AGAIN_MS);
		return;
	}
	json_read_open(&r, a->body);
	json_read_any(&r, "messages", JSON_NEEDED, &list);
	json_t *sids = json_array();
	json_array_foreach (list, i, item) {
		const char *sid = twilio_match(t->document, item, not_before_ms(t, a));
		if (sid != NULL)
			json_array_append_new(sids, json_text(sid));
	}
	if (json_array_size(sids) == 0) {
		json_decref(sids);
		nothing_found(t);
		return;
	}
	struct candidates *c = xcalloc(1, sizeof *c);
	*c = (struct candidates){t, sids};
	struct store_query known = {.where = json_build("[[s, s, O]]", "messageSid", "in", sids),
				    .limit = (int64_t)json_array_size(sids)};
	store_find(t->outbox->smsd->store, STORE_MESSAGES, &known, on_known, c);
}

static void look(struct task *t)
{
	t->outbox->busy++;
	t->looked_ms = wall_now().ms;
	twilio_find_messages(t->outbox->smsd->twilio, message_field(t->document, "toNumber"),
			     message_field(t->document, "fromNumber"), on_looked, t);
}

bool delivery_is_ours(const struct outbox *o, const json_t *document)
{
	return outbox_state_of(document) != OUTBOX_SETTLED &&
	       strcmp(message_field(document, "owner"), o->smsd->host_id) == 0;
}

static void on_read_before_look(void *arg, json_t *result, const char *error)
{
	struct task *t = arg;
	/* A callback may have named it meanwhile, or another host have it: then nothing is left to do. */
	if (error == NULL && json_is_object(result))
		task_take_document(t, result);
	if (error == NULL && json_is_object(result) && !delivery_is_ours(t->outbox, result))
		task_end(t);
	else
		look(t);
}

static void on_look_due(void *arg)
{
	struct task *t = arg;
	store_get(t->outbox->smsd->store, STORE_MESSAGES, "requestId", t->request_id, on_read_before_look, t);
}

void delivery_look(struct task *t, int ms)
{
	t->working = true;
	/* Whoever asked is gone: a request may have begun until then, and lived as long as one does. */
	if (t->quiet_ms == 0)
		t->quiet_ms = asked_ms(t) + ASK_WITHIN_MS + timeout_ms(t);
	if (t->outbox->draining)
		task_end(t); /* the lease stands: it is looked for when we are back */
	else
		timer_start(&t->look, t->outbox->smsd->base, ms, on_look_due, t);
}
