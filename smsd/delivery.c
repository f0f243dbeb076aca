/* A message and Twilio: asked for once, looked for when the answer is unclear. */
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "smsd/task.h"

#include <stdlib.h>
#include <string.h>

enum {
	LOOK_MS = 2000,          /* after an unclear answer; Twilio's lists lag behind */
	LOOK_AGAIN_MS = 6000,    /* the second look decides */
	LOOKS = 2,               /* that must find nothing */
	DELAY_MAX_S = 300,       /* between tries */
	GIVE_UP_MS = 36000000,   /* ten hours: what Twilio itself would keep a message queued */
	CLOCK_SLACK_MS = 300000, /* Twilio's clock and ours */
};

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
		o->paused_until_ms = now + a->retry_after_s * 1000;
	log_warn("message %s waits %lld s: %s", t->request_id, (long long)delay_s, a->message);
	if (now - begun_ms(t->document) > GIVE_UP_MS)
		task_failed(t, 504, "unreachable", 0, "Twilio could not be reached for ten hours.");
	else
		task_release(t, now + delay_s * 1000);
}

static void on_created(void *arg, const struct twilio_answer *a)
{
	struct task *t = arg;
	const char *sid = NULL, *status = "queued";
	outbox_request_ended(t->outbox);
	if (a->outcome == TWILIO_DONE) {
		struct json_reader r;
		json_read_open(&r, a->body);
		json_read_text(&r, "sid", JSON_NEEDED, 34, 34, &sid);
		json_read_text(&r, "status", JSON_OPTIONAL, 1, 40, &status);
	}
	if (sid != NULL)
		task_accepted(t, sid, status);
	else if (a->outcome == TWILIO_REFUSED)
		task_failed(t, 502, "twilio", a->code, a->message);
	else if (a->outcome == TWILIO_UNREACHED)
		try_later(t, a);
	else
		delivery_look(t, LOOK_MS);
}

/* The outbox has stored that Twilio is being asked. busy has been counted. */
void delivery_ask(struct task *t)
{
	struct smsd *s = t->outbox->smsd;
	/* Too late: another host may have it by now. */
	if (mono_now().us - t->claimed.us > LEASE_MS / 2 * 1000LL) {
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
	twilio_create_message(s->twilio, &m, on_created, t);
	free(callback);
}

/* ---- looking at Twilio ---- */

static void nothing_found(struct task *t)
{
	if (++t->looks < LOOKS) {
		delivery_look(t, LOOK_AGAIN_MS);
		return;
	}
	log_info("Twilio does not have message %s: it is sent again", t->request_id);
	task_release(t, wall_now().ms);
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
	const char *ours = NULL;
	json_array_foreach (c->sids, i, sid) {
		bool taken = being_named(t->outbox, json_string_value(sid));
		json_array_foreach (json_object_get(result, "documents"), k, known)
			taken = taken || json_equal(json_object_get(known, "messageSid"), sid);
		if (!taken)
			ours = json_string_value(sid); /* the oldest: the list is newest first */
	}
	if (error != NULL)
		delivery_look(t, LOOK_AGAIN_MS);
	else if (ours != NULL)
		task_accepted(t, ours, "queued");
	else
		nothing_found(t);
	json_decref(c->sids);
	free(c);
}

/* Whether an item of Twilio's list can be this message: its SID, or NULL. */
static const char *match(const struct task *t, json_t *item)
{
	const char *sid = NULL, *body = "", *direction = "", *created = "", *media = "0";
	struct wall_ms when = {0}, asked = {0};
	struct json_reader r;
	json_read_open(&r, item);
	json_read_text(&r, "sid", JSON_NEEDED, 34, 34, &sid);
	json_read_text(&r, "body", JSON_OPTIONAL, 0, MESSAGE_BYTES * 2, &body);
	json_read_text(&r, "direction", JSON_OPTIONAL, 1, 40, &direction);
	json_read_text(&r, "date_created", JSON_OPTIONAL, 1, 64, &created);
	json_read_text(&r, "num_media", JSON_OPTIONAL, 1, 8, &media);
	wall_parse(message_field(t->document, "askedAt"), &asked);
	if (strcmp(direction, "outbound-api") != 0 || strcmp(body, message_field(t->document, "body")) != 0)
		return NULL;
	if ((size_t)atoi(media) != json_array_size(json_object_get(t->document, "mediaUrls")))
		return NULL;
	if (!twilio_date(created, &when) || when.ms < asked.ms - CLOCK_SLACK_MS)
		return NULL;
	return sid;
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
	json_array_foreach (list, i, item)
		if (match(t, item) != NULL)
			json_array_append_new(sids, json_text(match(t, item)));
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

static void look(void *arg)
{
	struct task *t = arg;
	t->outbox->busy++;
	twilio_find_messages(t->outbox->smsd->twilio, message_field(t->document, "toNumber"),
			     message_field(t->document, "fromNumber"), on_looked, t);
}

/* Whether a message is still to be sent, and this host's to send. */
bool delivery_is_ours(const struct outbox *o, const json_t *document)
{
	return json_object_get(document, "state") != NULL &&
	       strcmp(message_field(document, "owner"), o->smsd->host_id) == 0;
}

static void on_looked_up_named(void *arg, json_t *result, const char *error)
{
	struct task *t = arg;
	/* A callback may have named it meanwhile, or another host have it: then there is nothing left to do.
	 */
	if (error == NULL && json_is_object(result) && !delivery_is_ours(t->outbox, result)) {
		task_take_document(t, result);
		task_end(t);
	} else {
		look(t);
	}
}

static void on_look_due(void *arg)
{
	struct task *t = arg;
	store_get(t->outbox->smsd->store, STORE_MESSAGES, "requestId", t->request_id, on_looked_up_named, t);
}

void delivery_look(struct task *t, int ms)
{
	t->working = true;
	if (t->outbox->draining)
		task_end(t); /* the lease stands: it is looked for when we are back */
	else
		timer_start(&t->look, t->outbox->smsd->base, ms, on_look_due, t);
}
