#include "smsd/outbox/outbox_task.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "smsd/messages/optouts.h"
#include "smsd/outbox/early_status.h"
#include "smsd/outbox/reconcile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ANSWER_MS = 15000, /* whoever asked waits no longer: clients give a tool 30 s */
	LOOK_MS = 2000,    /* after an unclear answer: Twilio's lists lag behind */
};

struct task *task_find(struct outbox *o, const char *request_id)
{
	struct task *t;
	LIST_FOREACH (t, &o->tasks, next)
		if (strcmp(t->request_id, request_id) == 0)
			return t;
	return NULL;
}

void task_answer(struct task *t, int error_status, const char *code, const char *message)
{
	struct outbox_end end = {t->document, error_status, code, message};
	outbox_fn *fn = t->fn;
	t->fn = NULL;
	timer_stop(&t->answer);
	if (fn != NULL)
		fn(t->arg, &end);
}

void task_free(struct task *t)
{
	LIST_REMOVE(t, next);
	timer_stop(&t->look);
	timer_stop(&t->answer);
	json_decref(t->document);
	free(t->named);
	free(t);
}

void task_end(struct task *t)
{
	task_answer(t, 0, NULL, NULL);
	task_free(t);
}

static void on_answer_overdue(void *arg)
{
	struct task *t = arg;
	task_answer(t, 0, NULL, NULL);
	if (!t->working)
		task_free(t);
}

struct task *task_new(struct outbox *o, const char *request_id, json_t *document, outbox_fn *fn, void *arg)
{
	struct task *t = xcalloc(1, sizeof *t);
	t->outbox = o;
	snprintf(t->request_id, sizeof t->request_id, "%s", request_id);
	t->document = document;
	t->fn = fn;
	t->arg = arg;
	LIST_INSERT_HEAD(&o->tasks, t, next);
	if (fn != NULL)
		timer_start(&t->answer, o->smsd->base, ANSWER_MS, on_answer_overdue, t);
	return t;
}

void task_take_document(struct task *t, json_t *result)
{
	if (!json_is_object(result) || json_object_get(result, "messageSid") == NULL)
		return;
	json_decref(t->document);
	t->document = json_incref(result);
}

/* ---- named ---- */

struct naming {
	struct smsd *smsd;
	char *request_id, *sid;
	json_t *document;
	store_fn *fn;
	void *arg;
};

static void naming_end(void *arg, json_t *result, const char *error)
{
	struct naming *n = arg;
	n->fn(n->arg, json_is_object(result) ? result : n->document, error);
	json_decref(n->document);
	free(n->request_id);
	free(n->sid);
	free(n);
}

static void on_named_before(void *arg, json_t *result, const char *error)
{
	struct naming *n = arg;
	const char *known = message_field(result, "messageSid");
	if (error == NULL && json_is_object(result) && strcmp(known, n->sid) != 0)
		log_error("Twilio has message %s twice: as %s and as %s", n->request_id, known, n->sid);
	naming_end(n, result, error);
}

static void on_named(void *arg, json_t *result, const char *error)
{
	struct naming *n = arg;
	if (error != NULL) {
		naming_end(n, NULL, error);
	} else if (json_is_object(result)) {
		n->document = json_incref(result);
		early_settle(n->smsd, n->sid, naming_end, n);
	} else {
		store_get(n->smsd->store, STORE_MESSAGES, "requestId", n->request_id, on_named_before, n);
	}
}

void outbox_named(struct outbox *o, const char *request_id, const char *sid, store_fn *fn, void *arg)
{
	struct naming *n = xcalloc(1, sizeof *n);
	*n = (struct naming){.smsd = o->smsd,
			     .request_id = xstrdup(request_id),
			     .sid = xstrdup(sid),
			     .fn = fn,
			     .arg = arg};
	int64_t now = wall_now().ms;
	/* Until Twilio has named it, its messageSid is the requestId. One that was given up was accepted. */
	struct store_change change = {.key = request_id,
				      .where = json_build("[[s, s, s]]", "messageSid", "=", request_id),
				      .set = json_build("{s:s, s:s, s:o, s:o}", "messageSid", sid, "status",
							"queued", "updatedAt", message_time(now), "checkAt",
							unheard_first_check()),
				      .unset = json_build("[s, s, s, s, s, s, s]", "state", "dueAt", "owner",
							  "askedAt", "tries", "errorCode", "errorMessage")};
	store_update(o->smsd->store, STORE_MESSAGES, &change, on_named, n);
}

static void on_accepted_stored(void *arg, json_t *result, const char *error)
{
	struct task *t = arg;
	if (error != NULL) {
		/* It keeps its state: it will be looked for, and found. */
		outbox_doubt(t->outbox, error);
		log_error("message %s was sent, but that could not be stored: %s", t->request_id, error);
		task_answer(t, answer_store_status(error), "store", error);
		task_free(t);
		return;
	}
	task_take_document(t, result);
	/* A callback was quicker, or the database is away: the name is known all the same. */
	if (strcmp(message_field(t->document, "messageSid"), t->named) != 0) {
		json_t *copy = json_copy(t->document);
		json_object_set_new(copy, "messageSid", json_text(t->named));
		json_decref(t->document);
		t->document = copy;
	}
	task_end(t);
}

static void accepted(struct task *t, const char *sid, const char *status)
{
	free(t->named);
	t->named = xstrdup(sid);
	log_info("Twilio has taken message %s to %s", sid, message_field(t->document, "toNumber"));
	outbox_named(t->outbox, t->request_id, sid, on_accepted_stored, t);
	if (message_status_known(status) && strcmp(status, "queued") != 0)
		message_advance(t->outbox->smsd, sid, status, 0, "", NULL, NULL);
}

/* ---- what else can happen ---- */

/* A change of state on its way to the store. */
struct turn {
	struct task *task;
	enum outbox_event event;
	enum outbox_action action;
	struct outbox_fact fact;
	char *message;
};

static void turn_free(struct turn *n)
{
	free(n->message);
	free(n);
}

static void turn_end(struct turn *n)
{
	struct task *t = n->task;
	if (n->action == OUTBOX_FAIL) {
		message_news(t->outbox->smsd, t->document);
		task_answer(t, n->fact.http_status, n->fact.code, n->message);
	} else if (n->action == OUTBOX_TAKE_OUT) {
		message_news(t->outbox->smsd, t->document);
		task_answer(t, 409, "canceled", "The message was canceled before Twilio had it.");
	}
	task_end(t);
	turn_free(n);
}

/* It was in another state: somebody else was quicker, and the table is asked again. */
static void on_read_again(void *arg, json_t *result, const char *error)
{
	struct turn *n = arg;
	struct task *t = n->task;
	if (error != NULL || !delivery_is_ours(t->outbox, result)) {
		task_take_document(t, result);
		task_end(t);
	} else {
		task_take_document(t, result);
		n->fact.message = n->message;
		task_happened(t, n->event, &n->fact);
	}
	turn_free(n);
}

static void on_turn_stored(void *arg, json_t *result, const char *error)
{
	struct turn *n = arg;
	struct task *t = n->task;
	outbox_doubt(t->outbox, error);
	if (error != NULL)
		log_error("message %s keeps its lease: %s", t->request_id, error);
	if (error == NULL && !json_is_object(result)) {
		store_get(t->outbox->smsd->store, STORE_MESSAGES, "requestId", t->request_id, on_read_again,
			  n);
		return;
	}
	task_take_document(t, result);
	turn_end(n);
}

static void fill_change(const struct turn *n, struct store_change *change)
{
	json_int_t tries = json_integer_value(json_object_get(n->task->document, "tries"));
	if (n->action == OUTBOX_WAIT) {
		change->set = json_build("{s:s, s:o, s:I}", "state", outbox_state_name(OUTBOX_WAITING),
					 "dueAt", message_time(n->fact.due_ms), "tries", tries + 1);
		change->unset = json_build("[s, s]", "owner", "askedAt");
		return;
	}
	bool failed = n->action == OUTBOX_FAIL;
	change->set = json_build("{s:s, s:s*, s:o}", "status", failed ? "failed" : "canceled", "errorMessage",
				 failed ? n->message : NULL, "updatedAt", message_time(wall_now().ms));
	if (failed && n->fact.error_code != 0)
		json_object_set_new(change->set, "errorCode", json_integer(n->fact.error_code));
	change->unset = json_build("[s, s, s, s, s]", "state", "dueAt", "owner", "askedAt", "tries");
}

static void store_turn(struct task *t, enum outbox_event event, enum outbox_action action,
		       const struct outbox_fact *fact)
{
	struct smsd *s = t->outbox->smsd;
	struct turn *n = xcalloc(1, sizeof *n);
	*n = (struct turn){t, event, action, *fact, xstrdup(fact->message ? fact->message : "")};
	struct store_change change = {.key = t->request_id,
				      .where = json_build("[[s, s, s], [s, s, s]]", "owner", "=", s->host_id,
							  "state", "=",
							  outbox_state_name(outbox_state_of(t->document)))};
	fill_change(n, &change);
	if (action == OUTBOX_FAIL)
		log_warn("message %s is not sent: %s", t->request_id, n->message);
	if (action == OUTBOX_FAIL && fact->error_code == OPTED_OUT)
		optout_record(s, message_field(t->document, "fromNumber"),
			      message_field(t->document, "toNumber"), false, NULL, NULL);
	store_update(s->store, STORE_MESSAGES, &change, on_turn_stored, n);
}

void task_happened(struct task *t, enum outbox_event event, const struct outbox_fact *fact)
{
	static const struct outbox_fact none = {0};
	enum outbox_action action = outbox_action(outbox_state_of(t->document), event);
	fact = fact ? fact : &none;
	switch (action) {
	case OUTBOX_NAME:
		accepted(t, fact->sid, fact->status);
		break;
	case OUTBOX_LOOK:
		delivery_look(t, event == OUTBOX_DUE ? 0 : LOOK_MS);
		break;
	case OUTBOX_FAIL:
	case OUTBOX_WAIT:
	case OUTBOX_TAKE_OUT:
		store_turn(t, event, action, fact);
		break;
	case OUTBOX_ASK:  /* a claim's, in outbox.c */
	case OUTBOX_STOP: /* a cancel's, in outbox_cancel.c */
	case OUTBOX_TOO_LATE:
	case OUTBOX_NOTHING:
		task_end(t);
	}
}
