#include "smsd/task.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "smsd/early.h"
#include "smsd/optouts.h"
#include "smsd/unheard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MS = 15000 }; /* whoever asked waits no longer: clients give a tool 30 s */

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

/* ---- settled, one way or another ---- */

struct naming {
	struct smsd *smsd;
	char *sid;
	json_t *document;
	store_fn *fn;
	void *arg;
};

static void on_named_end(void *arg, json_t *result, const char *error)
{
	struct naming *n = arg;
	n->fn(n->arg, json_is_object(result) ? result : n->document, error);
	json_decref(n->document);
	free(n->sid);
	free(n);
}

static void on_named(void *arg, json_t *result, const char *error)
{
	struct naming *n = arg;
	if (error != NULL) {
		on_named_end(n, NULL, error);
		return;
	}
	n->document = json_incref(result);
	early_settle(n->smsd, n->sid, on_named_end, n);
}

void outbox_named(struct outbox *o, const char *request_id, const char *sid, store_fn *fn, void *arg)
{
	struct naming *n = xcalloc(1, sizeof *n);
	*n = (struct naming){.smsd = o->smsd, .sid = xstrdup(sid), .fn = fn, .arg = arg};
	int64_t now = wall_now().ms;
	struct store_change change = {
		.key = request_id,
		.set = json_build("{s:s, s:o, s:o}", "messageSid", sid, "updatedAt", message_time(now),
				  "checkAt", unheard_first_check()),
		.unset = json_build("[s, s, s, s, s]", "state", "dueAt", "owner", "askedAt", "tries")};
	store_update(o->smsd->store, STORE_MESSAGES, &change, on_named, n);
}

static void on_accepted_stored(void *arg, json_t *result, const char *error)
{
	struct task *t = arg;
	if (error != NULL) {
		/* It keeps its lease: it will be looked for, and found. */
		log_error("message %s was sent, but that could not be stored: %s", t->request_id, error);
		task_answer(t, 503, "store", error);
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

/* Twilio has it. */
void task_accepted(struct task *t, const char *sid, const char *status)
{
	free(t->named);
	t->named = xstrdup(sid);
	log_info("Twilio has taken message %s to %s", sid, message_field(t->document, "toNumber"));
	outbox_named(t->outbox, t->request_id, sid, on_accepted_stored, t);
	if (message_status_known(status) && strcmp(status, "queued") != 0)
		message_advance(t->outbox->smsd, sid, status, 0, "", NULL, NULL);
}

struct failing {
	struct task *task;
	int http_status;
	const char *code;
	char *message;
};

static void on_failed_stored(void *arg, json_t *result, const char *error)
{
	struct failing *f = arg;
	if (error != NULL)
		log_error("that message %s failed could not be stored: %s", f->task->request_id, error);
	task_take_document(f->task, result);
	message_news(f->task->outbox->smsd, f->task->document);
	task_answer(f->task, f->http_status, f->code, f->message);
	task_free(f->task);
	free(f->message);
	free(f);
}

/* It will not be sent. */
void task_failed(struct task *t, int http_status, const char *code, int error_code, const char *message)
{
	struct failing *f = xcalloc(1, sizeof *f);
	*f = (struct failing){t, http_status, code, xstrdup(message)};
	json_t *set = json_build("{s:s, s:o, s:o}", "status", "failed", "errorMessage", json_text(message),
				 "updatedAt", message_time(wall_now().ms));
	if (error_code != 0)
		json_object_set_new(set, "errorCode", json_integer(error_code));
	struct store_change change = {
		.key = t->request_id,
		.set = set,
		.unset = json_build("[s, s, s, s, s]", "state", "dueAt", "owner", "askedAt", "tries")};
	log_warn("message %s is not sent: %s", t->request_id, message);
	if (error_code == OPTED_OUT)
		optout_record(t->outbox->smsd, message_field(t->document, "fromNumber"),
			      message_field(t->document, "toNumber"), false, NULL, NULL);
	store_update(t->outbox->smsd->store, STORE_MESSAGES, &change, on_failed_stored, f);
}

static void on_released(void *arg, json_t *result, const char *error)
{
	struct task *t = arg;
	if (error != NULL)
		log_error("message %s keeps waiting for its lease: %s", t->request_id, error);
	task_take_document(t, result);
	task_end(t);
}

/* Not in Twilio's hands: it is tried again then. Whoever waits is told that it waits. */
void task_release(struct task *t, int64_t due_ms)
{
	int64_t tries = json_integer_value(json_object_get(t->document, "tries"));
	struct store_change change = {
		.key = t->request_id,
		.where = json_build("[[s, s, s]]", "owner", "=", t->outbox->smsd->host_id),
		.set = json_build("{s:s, s:o, s:I}", "state", "waiting", "dueAt", message_time(due_ms),
				  "tries", (json_int_t)tries + 1),
		.unset = json_build("[s, s]", "owner", "askedAt")};
	store_update(t->outbox->smsd->store, STORE_MESSAGES, &change, on_released, t);
}
