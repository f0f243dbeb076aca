#include "voiced/guard_rails/quota.h"

#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define QUOTA_MAGIC 0x71756f74u
#define ROW "outgoing-calls"

enum { HOUR_MS = 3600000, DAY_MS = 86400000, DIGEST_LEN = 24 };

enum quota_step { QUOTA_TAKE, QUOTA_GIVE_BACK, QUOTA_STOP };

struct quota_item {
	STAILQ_ENTRY(quota_item) next;
	enum quota_step step;
	char to[DIGEST_LEN + 1]; /* "" for none */
	int64_t asked_ms;
	enum quota_answer answer;
	quota_fn *fn;
	quota_stop_fn *stop;
	void *arg;
};
STAILQ_HEAD(quota_items, quota_item);

struct quota {
	unsigned magic;
	struct voiced *v;
	json_t *row;       /* as it was last seen; NULL: not read yet */
	json_t *next;      /* as it will be once the batch is stored */
	json_t *unsaved;   /* what was done while the database was away: a row of its own, or NULL */
	bool row_is_whole; /* the row has what is unsaved */
	bool fresh;        /* the row was read for this batch, or cannot be */
	bool unreadable;   /* it cannot be */
	bool closing;
	int64_t hour; /* placed in the last hour, before there was a row */
	struct quota_items waiting, batch;
};

static void quota_run(struct quota *q);
static void quota_read(struct quota *q);

static const char *digest_or_null(const struct quota_item *item)
{
	return item->to[0] ? item->to : NULL;
}

/* ---- one batch: decide on the row, store it, answer ---- */

static void quota_apply(struct quota *q, json_t *row, struct quota_item *item, int64_t now_ms)
{
	const struct config *config = q->v->config;
	const struct quota_limits limits = {config->max_calls_per_hour, config->max_calls_per_day,
					    q->v->host_id};
	switch (item->step) {
	case QUOTA_TAKE:
		item->answer = quota_row_check(row, &limits, digest_or_null(item), item->asked_ms, now_ms);
		if (item->answer == QUOTA_GRANTED)
			quota_row_add(row, q->v->host_id, digest_or_null(item), now_ms);
		break;
	case QUOTA_GIVE_BACK:
		quota_row_take_back(row, digest_or_null(item), now_ms);
		break;
	case QUOTA_STOP:
		json_object_set_new(row, "stoppedMs", json_integer(now_ms));
		break;
	}
}

/* Adds what the database has not seen yet. */
static void quota_merge(json_t *row, const json_t *unsaved)
{
	const char *name;
	json_t *count, *minutes = json_object_get(row, "minutes");
	json_object_foreach (json_object_get(unsaved, "minutes"), name, count)
		json_object_set_new(minutes, name,
				    json_integer(json_integer_value(json_object_get(minutes, name)) +
						 json_integer_value(count)));
	if (json_integer_value(json_object_get(unsaved, "stoppedMs")) >
	    json_integer_value(json_object_get(row, "stoppedMs")))
		json_object_set(row, "stoppedMs", json_object_get(unsaved, "stoppedMs"));
}

static void quota_answer_all(struct quota *q, const char *error)
{
	struct quota_items all = STAILQ_HEAD_INITIALIZER(all);
	struct quota_item *item;
	STAILQ_CONCAT(&all, &q->batch);
	q->fresh = q->unreadable = false;
	while ((item = STAILQ_FIRST(&all)) != NULL) {
		STAILQ_REMOVE_HEAD(&all, next);
		if (item->fn != NULL)
			item->fn(item->arg, q->closing ? QUOTA_CLOSED : item->answer);
		if (item->stop != NULL)
			item->stop(item->arg, error);
		free(item);
	}
	quota_run(q);
}

/* voiced ends: whatever the store says, nothing more is begun. */
static bool quota_is_closing(struct quota *q)
{
	if (q->closing)
		quota_answer_all(q, "phony is shutting down");
	return q->closing;
}

/* The database is away: what this batch does is kept here until it is back. */
static void quota_keep(struct quota *q, const char *error)
{
	struct quota_item *item;
	int64_t now_ms = wall_now().ms;
	log_debug("the count of placed calls is kept here for now: %s", error);
	if (q->unsaved == NULL)
		q->unsaved = json_build("{s:{}, s:[]}", "minutes", "recent");
	STAILQ_FOREACH (item, &q->batch, next)
		if (item->step != QUOTA_TAKE)
			quota_apply(q, q->unsaved, item, now_ms);
		else if (item->answer == QUOTA_GRANTED)
			quota_row_add(q->unsaved, q->v->host_id, NULL, now_ms);
	json_decref(q->row);
	q->row = q->next;
	q->next = NULL;
	q->row_is_whole = true;
	quota_answer_all(q, error);
}

static void on_quota_stored(void *arg, json_t *result, const char *error)
{
	struct quota *q = arg;
	if (quota_is_closing(q))
		return;
	if (error != NULL) {
		quota_keep(q, error);
	} else if (!json_is_object(result)) {
		quota_read(q); /* another host was quicker */
	} else {
		json_decref(q->row);
		json_decref(q->unsaved);
		q->row = q->next;
		q->next = q->unsaved = NULL;
		q->row_is_whole = true;
		quota_answer_all(q, NULL);
	}
}

static void quota_decide(struct quota *q)
{
	struct quota_item *item;
	struct wall_ms now = wall_now();
	bool refused = false;
	char text[WALL_TEXT_SIZE];
	json_decref(q->next);
	q->next = json_deep_copy(q->row);
	if (q->unsaved != NULL && !q->row_is_whole)
		quota_merge(q->next, q->unsaved);
	bool changed = quota_row_prune(q->next, now.ms);
	STAILQ_FOREACH (item, &q->batch, next) {
		quota_apply(q, q->next, item, now.ms);
		changed |= item->step != QUOTA_TAKE || item->answer == QUOTA_GRANTED;
		refused |= item->step == QUOTA_TAKE && item->answer != QUOTA_GRANTED;
	}
	if ((refused || q->unsaved != NULL) && !q->fresh) {
		quota_read(q); /* the row may have changed for the better */
		return;
	}
	if (!changed) {
		quota_answer_all(q, NULL);
		return;
	}
	if (q->unreadable) {
		quota_keep(q, "it cannot be read");
		return;
	}
	int64_t version = json_integer_value(json_object_get(q->row, "version"));
	wall_format(now, text);
	json_object_set_new(q->next, "version", json_integer(version + 1));
	json_object_set_new(q->next, "updatedAt", json_text(text));
	json_t *set = json_copy(q->next);
	json_object_del(set, "name");
	struct store_change change = {.key = ROW,
				      .where = json_build("[[s, s, I]]", "version", "=", (json_int_t)version),
				      .set = set,
				      .strict = true};
	store_update(q->v->store, STORE_QUOTAS, &change, on_quota_stored, q);
}

/* ---- reading the row; the first one is what the calls of the last day say ---- */

static json_t *quota_first_row(int64_t hour, int64_t day)
{
	enum { MINUTE_MS = 60000, HOUR_AND_MORE = 61 };
	char now[WALL_TEXT_SIZE], recent[24], older[24];
	int64_t minute = wall_now().ms / MINUTE_MS;
	wall_format(wall_now(), now);
	snprintf(recent, sizeof recent, "%lld", (long long)minute);
	snprintf(older, sizeof older, "%lld", (long long)minute - HOUR_AND_MORE);
	return json_build("{s:s, s:i, s:{s:I, s:I}, s:[], s:I, s:s}", "name", ROW, "version", 0, "minutes",
			  recent, (json_int_t)hour, older, (json_int_t)(day > hour ? day - hour : 0),
			  "recent", "stoppedMs", (json_int_t)0, "updatedAt", now);
}

/* row is stolen. */
static void quota_have(struct quota *q, json_t *row)
{
	json_decref(q->row);
	q->row = row;
	q->row_is_whole = false;
	q->fresh = true;
	quota_decide(q);
}

static void on_quota_inserted(void *arg, json_t *result, const char *error)
{
	struct quota *q = arg;
	json_t *row = json_object_get(result, "document");
	if (quota_is_closing(q))
		return;
	q->unreadable = error != NULL || !json_is_object(row);
	quota_have(q, q->unreadable ? quota_first_row(q->hour, q->hour) : json_deep_copy(row));
}

static void on_quota_day(void *arg, json_t *result, const char *error)
{
	struct quota *q = arg;
	if (quota_is_closing(q))
		return;
	json_t *row = quota_first_row(q->hour, error == NULL ? json_integer_value(result) : 0);
	if (q->unreadable) {
		quota_have(q, row);
		return;
	}
	store_insert(q->v->store, STORE_QUOTAS, row, on_quota_inserted, q);
	json_decref(row);
}

static json_t *placed_in(int64_t ms)
{
	char since[WALL_TEXT_SIZE];
	wall_format((struct wall_ms){wall_now().ms - ms}, since);
	/* One that Twilio never took has no callSid. */
	return json_build("[[s, s, [s, s]], [s, s, s], [s, s, s], [s, s, n]]", "callType", "in", "outbound",
			  "browser", "startedAt", ">=", since, "status", "!=", "scheduled", "callSid",
			  "present");
}

static void on_quota_hour(void *arg, json_t *result, const char *error)
{
	struct quota *q = arg;
	if (quota_is_closing(q))
		return;
	q->hour = error == NULL ? json_integer_value(result) : 0;
	store_count(q->v->store, STORE_CALLS, placed_in(DAY_MS), q->v->config->max_calls_per_day,
		    on_quota_day, q);
}

static void on_quota_read(void *arg, json_t *row, const char *error)
{
	struct quota *q = arg;
	if (quota_is_closing(q))
		return;
	q->unreadable = error != NULL;
	if (error == NULL && json_is_object(row)) {
		quota_have(q, json_deep_copy(row));
	} else if (q->row != NULL && error != NULL) {
		q->fresh = true; /* by what was seen last */
		quota_decide(q);
	} else {
		store_count(q->v->store, STORE_CALLS, placed_in(HOUR_MS), q->v->config->max_calls_per_hour,
			    on_quota_hour, q);
	}
}

static void quota_read(struct quota *q)
{
	store_get(q->v->store, STORE_QUOTAS, "name", ROW, on_quota_read, q);
}

/* ---- what is asked of it ---- */

static void quota_run(struct quota *q)
{
	if (!STAILQ_EMPTY(&q->batch) || STAILQ_EMPTY(&q->waiting))
		return;
	STAILQ_CONCAT(&q->batch, &q->waiting);
	if (q->closing)
		quota_answer_all(q, "phony is shutting down");
	else if (q->row == NULL)
		quota_read(q);
	else
		quota_decide(q);
}

/* The number as the row has it: hosts of one account agree on it, and it tells nobody who was called. */
static void quota_digest(const struct quota *q, const char *number, char out[DIGEST_LEN + 1])
{
	char digest[SECRET_SIGNATURE_SIZE];
	secret_sign(q->v->config->twilio_auth_token, number, digest);
	text_copy(out, DIGEST_LEN + 1, digest, strlen(digest));
}

static void quota_ask(struct quota *q, struct quota_item item, const char *to)
{
	OBJ_CHECK(q, QUOTA_MAGIC);
	struct quota_item *asked = xcalloc(1, sizeof *asked);
	*asked = item;
	if (to != NULL)
		quota_digest(q, to, asked->to);
	STAILQ_INSERT_TAIL(&q->waiting, asked, next);
	quota_run(q);
}

void quota_take(struct quota *q, const char *to, int64_t asked_ms, quota_fn *fn, void *arg)
{
	quota_ask(q, (struct quota_item){.step = QUOTA_TAKE, .asked_ms = asked_ms, .fn = fn, .arg = arg}, to);
}

void quota_give_back(struct quota *q, const char *to)
{
	quota_ask(q, (struct quota_item){.step = QUOTA_GIVE_BACK}, to);
}

void quota_stop(struct quota *q, quota_stop_fn *fn, void *arg)
{
	quota_ask(q, (struct quota_item){.step = QUOTA_STOP, .stop = fn, .arg = arg}, NULL);
}

struct quota *quota_new(struct voiced *v)
{
	struct quota *q;
	OBJ_ALLOC(q, QUOTA_MAGIC);
	q->v = v;
	STAILQ_INIT(&q->waiting);
	STAILQ_INIT(&q->batch);
	return q;
}

void quota_close(struct quota *q)
{
	OBJ_CHECK(q, QUOTA_MAGIC);
	q->closing = true;
}

void quota_free(struct quota **qq)
{
	struct quota *q = *qq;
	if (q == NULL)
		return;
	OBJ_CHECK(q, QUOTA_MAGIC);
	json_decref(q->row);
	json_decref(q->next);
	json_decref(q->unsaved);
	OBJ_FREE(q);
	*qq = NULL;
}
