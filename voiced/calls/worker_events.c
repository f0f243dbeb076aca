#include "voiced/calls/worker_events.h"
#include "lib/base/text.h"
#include "voiced/calls/post_call.h"

#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/loop/loop.h"
#include "voiced/api/stats.h"
#include "voiced/calls/browser_call.h"
#include "voiced/calls/hangup.h"
#include "voiced/calls/transfer.h"
#include "voiced/retention/call_deletion.h"
#include "voiced/retention/recordings.h"
#include "voiced/shared/event_bus.h"
#include "voiced/workers/agent_address.h"
#include "voiced/workers/pool.h"

#include <string.h>

enum { STORE_AGAIN_MS = 300 };

/*
 * An event on its way to the store: tried until it is durable, or refused for good.
 * Then its data is left out of it, so that its worker does not wait for ever.
 */
struct taken {
	LIST_ENTRY(taken) next;
	struct voiced *v;
	char *call_id;
	int64_t attempt, seq;
	pid_t worker;       /* whom to tell */
	json_t *event;      /* as the worker told it */
	struct timer again; /* running: the store could not take it for the moment */
	bool refused;       /* its data is left out */
};

static void store(void *arg);

static void forget(struct taken *t)
{
	LIST_REMOVE(t, next);
	timer_stop(&t->again);
	json_decref(t->event);
	free(t->call_id);
	free(t);
}

/*
 * Up to where a worker may forget: an event that could not be stored yet holds
 * back the acknowledgement of those after it, or it would be lost with us.
 */
static int64_t stored_before(const struct taken *stored)
{
	int64_t limit = INT64_MAX;
	const struct taken *t;
	LIST_FOREACH (t, &stored->v->taken, next)
		if (t != stored && t->attempt == stored->attempt && t->seq <= limit &&
		    strcmp(t->call_id, stored->call_id) == 0)
			limit = t->seq - 1;
	return limit;
}

static void acknowledge(const struct taken *t)
{
	if (t->v->workers != NULL)
		workers_acknowledge(t->v->workers, t->worker, t->seq, stored_before(t));
}

/* Once; false: it was refused without its data, too, and is given up. */
static bool leave_data_out(struct taken *t, const char *error)
{
	log_error("the database refuses an event of call %s: %s; %s", t->call_id, error,
		  t->refused ? "it is given up" : "it is stored without its data");
	if (t->refused)
		return false;
	t->refused = true;
	json_t *without = json_copy(t->event);
	json_object_set_new(without, "data", json_object());
	json_decref(t->event);
	t->event = without;
	store(t);
	return true;
}

static void on_stored(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct taken *t = arg;
	if (store_failure(error) == STORE_REFUSED && leave_data_out(t, error))
		return;
	if (error != NULL && store_failure(error) != STORE_REFUSED) {
		log_error("an event of call %s is not stored yet: %s", t->call_id, error);
		timer_start(&t->again, t->v->base, STORE_AGAIN_MS, store, t);
		return;
	}
	acknowledge(t);
	forget(t);
}

/* Of a call that was deleted meanwhile nothing comes back. */
static void on_deletion(void *arg, json_t *note, const char *error)
{
	struct taken *t = arg;
	if (error != NULL || !json_is_object(note)) {
		store(t);
		return;
	}
	log_info("an event of call %s, which is deleted, is dropped", t->call_id);
	acknowledge(t);
	forget(t);
}

bool events_wait(const struct voiced *v, const struct call *call)
{
	const struct taken *t;
	LIST_FOREACH (t, &v->taken, next)
		if (timer_running(&t->again) && strcmp(t->call_id, call_id(call)) == 0)
			return true;
	return false;
}

void events_forget(struct voiced *v)
{
	while (!LIST_EMPTY(&v->taken))
		forget(LIST_FIRST(&v->taken));
}

static void store(void *arg)
{
	struct taken *t = arg;
	const char *type = "", *time = "";
	json_t *data = NULL;
	struct json_reader r;
	json_read_open(&r, t->event);
	json_read_text(&r, "type", JSON_NEEDED, 1, 64, &type);
	json_read_text(&r, "time", JSON_NEEDED, 1, 40, &time);
	json_read_object(&r, "data", JSON_NEEDED, &data);
	struct store_event stored = {t->call_id, t->attempt, t->seq, type, time, data};
	store_add_event(t->v->store, &stored, on_stored, t);
}

static const char *text_or(json_t *data, const char *name, const char *text)
{
	struct json_reader r;
	json_read_open(&r, data);
	json_read_text(&r, name, JSON_OPTIONAL, 1, 2000, &text);
	return text;
}

static const char *text_of(json_t *data, const char *name)
{
	return text_or(data, name, "no reason was given");
}

static void on_stream_ended(struct voiced *v, struct call *call, json_t *data)
{
	const char *fault = NULL;
	bool cut = false;
	struct json_reader r;
	json_read_open(&r, data);
	json_read_text(&r, "fault", JSON_OPTIONAL, 1, 1000, &fault);
	json_read_bool(&r, "cut", JSON_OPTIONAL, &cut);
	/* A cut line comes back by the redirect; a broken protocol would break again. */
	if (fault != NULL && !cut && !call_is_ending(call)) {
		call_set_error(call, fault, true);
		call_save(call, NULL, NULL);
	}
	if (call_is_browser(call))
		browser_expect(call, !cut);
	else
		ending_expect(v, call);
}

struct read_event {
	int64_t seq;
	const char *type, *time;
	json_t *data;
};

static void on_stream_started(struct voiced *v, struct call *call, int64_t attempt, const char *time)
{
	bool first = call_text(call, "streamedAt")[0] == '\0';
	if (first) {
		call_put(call, "streamedAt", json_text(time));
		recordings_begin(v, call);
	}
	bool another = call_count_stream(call, attempt);
	if (call_set_status(call, CALL_IN_PROGRESS) || first || another)
		call_save(call, NULL, NULL);
}

static void tell_turn(struct voiced *v, const struct call *call, int64_t attempt, const struct read_event *e)
{
	struct news_turn turn = {.corrects = strcmp(e->type, "turn-corrected") == 0,
				 .attempt = attempt,
				 .number = e->seq,
				 .time = e->time};
	struct json_reader r;
	json_read_open(&r, e->data);
	json_read_text(&r, "role", JSON_OPTIONAL, 1, 16, &turn.role);
	json_read_text(&r, "content", JSON_NEEDED, 0, SIZE_MAX, &turn.content);
	json_read_int(&r, "before", JSON_OPTIONAL, 1, INT64_MAX, &turn.before);
	json_read_text(&r, "saidAt", JSON_OPTIONAL, 1, 40, &turn.time);
	if (turn.corrects)
		json_read_int(&r, "turn", JSON_NEEDED, 1, INT64_MAX, &turn.number);
	news_turn(v, call, &turn);
}

/* What follows from an event; a repeat after our own restart must do no harm. */
static void act(struct voiced *v, struct call *call, int64_t attempt, const struct read_event *e)
{
	const char *type = e->type, *time = e->time;
	json_t *data = e->data;
	if (strcmp(type, "stream-started") == 0) {
		on_stream_started(v, call, attempt, time);
	} else if (strcmp(type, "agent-connected") == 0) {
		afterwards_conversation(v, call, text_or(data, "conversationId", ""));
	} else if (strcmp(type, "agent-lost") == 0) {
		agent_prepare(v, call);
	} else if (strcmp(type, "agent-failed") == 0 || strcmp(type, "stream-refused") == 0) {
		call_set_error(call, text_of(data, "reason"), true);
		call_save(call, NULL, NULL);
	} else if (strcmp(type, "turn") == 0 || strcmp(type, "turn-corrected") == 0) {
		tell_turn(v, call, attempt, e);
	} else if (strcmp(type, "operator-question") == 0) {
		json_t *question = json_copy(data);
		json_object_set_new(question, "askedAt", json_text(time));
		call_put(call, "operatorQuestion", question);
		call_save(call, NULL, NULL);
		news_question(v, call, "question", data);
	} else if (strcmp(type, "operator-answer") == 0 || strcmp(type, "operator-timeout") == 0) {
		call_put(call, "operatorQuestion", json_null()); /* null: what is left out of a put stays */
		call_save(call, NULL, NULL);
		news_question(v, call, "answered", data);
	} else if (strcmp(type, "transfer") == 0) {
		transfer_begin(v, call, text_of(data, "toNumber"), text_of(data, "reason"));
	} else if (strcmp(type, "hold") == 0 || strcmp(type, "resume") == 0) {
		call_put(call, "onHold", json_boolean(type[0] == 'h'));
		call_save(call, NULL, NULL);
		news_call(v, call);
	} else if (strcmp(type, "hangup") == 0) {
		ending_begin(v, call, text_of(data, "reason"), NULL, NULL);
	} else if (strcmp(type, "stream-ended") == 0) {
		on_stream_ended(v, call, data);
	}
}

static bool read_event(const char *call_id, json_t *event, struct read_event *e)
{
	struct json_reader r;
	*e = (struct read_event){0};
	json_read_open(&r, event);
	json_read_int(&r, "seq", JSON_NEEDED, 1, INT64_MAX, &e->seq);
	json_read_text(&r, "type", JSON_NEEDED, 1, 64, &e->type);
	json_read_text(&r, "time", JSON_NEEDED, 1, 40, &e->time);
	json_read_object(&r, "data", JSON_NEEDED, &e->data);
	json_read_close(&r, JSON_KNOWN_ONLY);
	if (!json_read_ok(&r))
		log_error("an event of call %s is wrong: %s", call_id, r.faults);
	return json_read_ok(&r);
}

void events_take_late(struct voiced *v, const char *call_id, int64_t attempt, pid_t worker, json_t *event)
{
	struct read_event e;
	if (!read_event(call_id, event, &e))
		return;
	struct taken *t = xcalloc(1, sizeof *t);
	*t = (struct taken){.v = v,
			    .call_id = xstrdup(call_id),
			    .attempt = attempt,
			    .seq = e.seq,
			    .worker = worker,
			    .event = json_incref(event)};
	LIST_INSERT_HEAD(&v->taken, t, next);
	deletion_look_up(v, STORE_CALLS, call_id, on_deletion, t);
}

void events_take(struct voiced *v, struct call *call, int64_t attempt, pid_t worker, json_t *event)
{
	struct read_event e;
	if (!read_event(call_id(call), event, &e))
		return;
	struct taken *t = xcalloc(1, sizeof *t);
	*t = (struct taken){.v = v,
			    .call_id = xstrdup(call_id(call)),
			    .attempt = attempt,
			    .seq = e.seq,
			    .worker = worker,
			    .event = json_incref(event)};
	LIST_INSERT_HEAD(&v->taken, t, next);
	act(v, call, attempt, &e);
	stats_event(v, call, e.type, e.data);
	store(t);
}
