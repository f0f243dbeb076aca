#include "voiced/retention/call_deletion.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/loop/loop.h"
#include "lib/store/result.h"
#include "voiced/api/call_commands.h"
#include "voiced/api/call_search.h"
#include "voiced/calls/schedule.h"
#include "voiced/retention/flight_files.h"
#include "voiced/retention/recording_removal.h"
#include "voiced/retention/recordings.h"

#include <stdlib.h>
#include <string.h>

enum {
	DELETE_MAX = 10000,
	LIVE_MAX_MS = 24 * 3600 * 1000, /* longer than any call: its host is gone */
	LOOK_MS = 2000,
	LOOK_MAX = 1000,
};
#define NOTE_KEPT_MS (INT64_C(30) * 86400 * 1000)
/* A note is of whichever collection: its key is "calls/ID". */
#define RECORD "%s/%s"

static const char *text_of(const json_t *document, const char *field)
{
	const char *text = json_string_value(json_object_get(document, field));
	return text ? text : "";
}

/* ---- notes ---- */

static json_t *new_note(enum store_kind kind, const char *key)
{
	return json_build("{s:o, s:o}", "record", json_text_printf(RECORD, store_collections[kind].name, key),
			  "deletedAt", wall_json(wall_now().ms));
}

void deletion_note(struct voiced *v, enum store_kind kind, const char *key, store_fn *fn, void *arg)
{
	json_t *note = new_note(kind, key);
	store_insert(v->store, STORE_DELETIONS, note, fn, arg);
	json_decref(note);
}

void deletion_look_up(struct voiced *v, enum store_kind kind, const char *key, store_fn *fn, void *arg)
{
	char *record = xasprintf(RECORD, store_collections[kind].name, key);
	store_get(v->store, STORE_DELETIONS, "record", record, fn, arg);
	free(record);
}

/* ---- one call ---- */

/* What was asked: one call, or all that fit. */
struct deletion {
	struct voiced *v;
	struct reply reply;
	unsigned left; /* calls at work, and the question itself */
	long long deleted, spared;
	bool one, failed;
};

static void deletion_step(struct deletion *d)
{
	if (--d->left > 0)
		return;
	if (d->failed) {
		char message[100];
		text_printf(message, sizeof message, "%lld call(s) deleted, others could not be; try again",
			    d->deleted);
		answer_store_error(d->reply, message);
	} else if (d->one && d->spared > 0) {
		answer_error(d->reply, 409, "live",
			     "This call is live or scheduled; end it first with phony_hangup_call or "
			     "phony_cancel_call.");
	} else if (d->one && d->deleted == 0) {
		answer_error(d->reply, 404, "not_found",
			     "No call has this callSid; phony_list_calls lists them.");
	} else {
		answer_success(d->reply, 200, json_build("{s:I}", "deletedCount", (json_int_t)d->deleted),
			       d->spared > 0 ? "%lld call(s) deleted; live and scheduled ones are left"
					     : "%lld call(s) deleted",
			       d->deleted);
	}
	free(d);
}

/* A call on its way out: first what is to outlive it is durable, then it goes. */
struct doomed {
	struct deletion *of;
	char *id, *sid;
	json_t *recordings; /* Twilio's, left to be noted */
};

static void doomed_end(struct doomed *c, const char *error)
{
	if (error != NULL) {
		log_call(LOG_SEV_ERROR, c->sid, "the call cannot be deleted: %s", error);
		c->of->failed = true;
	}
	deletion_step(c->of);
	json_decref(c->recordings);
	free(c->id);
	free(c->sid);
	free(c);
}

static void on_gone(void *arg, json_t *result, const char *error)
{
	struct doomed *c = arg;
	c->of->deleted += error == NULL ? json_integer_value(result) : 0;
	doomed_end(c, error);
}

static json_t *of_call(const char *id)
{
	return json_build("[[s, s, s]]", "callId", "=", id);
}

static void on_noted(void *arg, json_t *result, const char *error)
{
	struct doomed *c = arg;
	struct voiced *v = c->of->v;
	(void)result;
	if (error != NULL) {
		doomed_end(c, error);
		return;
	}
	recordings_delete(v, c->id);
	flights_delete(v, c->sid);
	store_remove(v->store, STORE_TURNS, of_call(c->id), NULL, NULL);
	store_remove(v->store, STORE_EVENTS, of_call(c->id), NULL, NULL);
	store_remove(v->store, STORE_CALLS, of_call(c->id), on_gone, c);
}

static void note_deletion(struct doomed *c)
{
	json_t *note = new_note(STORE_CALLS, c->id);
	/* The files that other hosts have of it are named by it. With SQLite there are no others. */
	if (strcmp(store_kind_name(c->of->v->store), "mongodb") == 0)
		json_object_set_new(note, "callSid", json_text(c->sid));
	store_insert(c->of->v->store, STORE_DELETIONS, note, on_noted, c);
	json_decref(note);
}

static void on_recording_noted(void *arg, json_t *result, const char *error)
{
	struct doomed *c = arg;
	size_t left = json_array_size(c->recordings);
	(void)result;
	if (error != NULL) {
		doomed_end(c, error);
	} else if (left > 0) {
		json_t *sid = json_incref(json_array_get(c->recordings, left - 1));
		json_array_remove(c->recordings, left - 1);
		removals_add(c->of->v, json_string_value(sid), STORE_CALLS, c->id, on_recording_noted, c);
		json_decref(sid);
	} else {
		note_deletion(c);
	}
}

static void add_recording(json_t *recordings, const char *sid)
{
	size_t i;
	json_t *known;
	json_array_foreach (recordings, i, known)
		if (strcmp(json_string_value(known), sid) == 0)
			return;
	if (twilio_is_recording_sid(sid))
		json_array_append_new(recordings, json_text(sid));
}

/* What Twilio told of recordings while the call was live, by several streams perhaps. */
static void on_recordings(void *arg, json_t *result, const char *error)
{
	struct doomed *c = arg;
	size_t i;
	json_t *event;
	json_array_foreach (json_object_get(result, "documents"), i, event)
		add_recording(c->recordings, text_of(json_object_get(event, "data"), "recordingSid"));
	on_recording_noted(c, NULL, answer_whole_error(result, error));
}

static void delete_one(struct deletion *d, const json_t *document)
{
	struct doomed *c = xcalloc(1, sizeof *c);
	*c = (struct doomed){d, xstrdup(text_of(document, "callId")), xstrdup(text_of(document, "callSid")),
			     json_array()};
	add_recording(c->recordings, text_of(document, "recordingSid"));
	d->left++;
	store_events(d->v->store, c->id, "recording", on_recordings, c);
}

/* ---- which ---- */

/* Whichever host has it: what it still writes would bring the call back. */
static bool is_spared(const struct voiced *v, const json_t *document)
{
	enum call_status status;
	struct wall_ms begun = {0};
	const struct call *call = calls_by_id(v->calls, text_of(document, "callId"));
	wall_parse(text_of(document, "startedAt"), &begun);
	if (call != NULL)
		return true; /* over, perhaps, and not stored yet */
	if (json_object_get(document, "dueAt") != NULL)
		return true;
	return call_parse_status(text_of(document, "status"), &status) && status < CALL_COMPLETED &&
	       json_object_get(document, "endedAt") == NULL && wall_now().ms - begun.ms < LIVE_MAX_MS;
}

static void on_to_delete(void *arg, json_t *result, const char *error)
{
	struct deletion *d = arg;
	size_t i;
	json_t *document;
	if (answer_store_error(d->reply, answer_whole_error(result, error))) {
		free(d);
		return;
	}
	d->left = 1;
	json_array_foreach (json_object_get(result, "documents"), i, document) {
		if (is_spared(d->v, document))
			d->spared++;
		else
			delete_one(d, document);
	}
	deletion_step(d);
}

static void find_and_delete(struct voiced *v, json_t *where, bool one, struct reply reply)
{
	struct deletion *d = xcalloc(1, sizeof *d);
	*d = (struct deletion){.v = v, .reply = reply, .one = one};
	struct store_query query = {.where = where, .limit = DELETE_MAX};
	store_find(v->store, STORE_CALLS, &query, on_to_delete, d);
}

void deletion_of_call(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = verb_read_sid(&r, args);
	if (!answer_faults(reply, &r))
		find_and_delete(
			v, json_build("[[s, s, s]]", schedule_is_id(sid) ? "requestId" : "callSid", "=", sid),
			true, reply);
}

void deletion_of_calls(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	json_read_open(&r, args);
	json_t *where = search_read_filters(&r);
	if (json_read_ok(&r) && json_array_size(where) == 0)
		json_read_fault(&r, "give at least one filter: which calls are to be deleted?");
	if (answer_faults(reply, &r))
		json_decref(where);
	else
		find_and_delete(v, where, false, reply);
}

/* ---- of other hosts ---- */

struct deletions {
	struct voiced *v;
	struct timer timer;
	json_t *seen; /* {record: true} */
};

static void on_deletions(void *arg, json_t *result, const char *error)
{
	struct voiced *v = arg;
	size_t i;
	json_t *note;
	(void)error; /* another time */
	json_array_foreach (json_object_get(result, "documents"), i, note) {
		static const char prefix[] = "calls/";
		const char *record = text_of(note, "record");
		if (v->deletions == NULL || strncmp(record, prefix, sizeof prefix - 1) != 0 ||
		    json_object_get(v->deletions->seen, record) != NULL)
			continue;
		json_object_set_new(v->deletions->seen, record, json_true());
		recordings_delete(v, record + sizeof prefix - 1);
		flights_delete(v, text_of(note, "callSid"));
	}
}

static void deletions_look(void *arg)
{
	struct deletions *d = arg;
	timer_start(&d->timer, d->v->base, LOOK_MS, deletions_look, d);
	if (d->v->draining)
		return;
	/* The first look is at all of them. */
	struct store_query query = {.limit = json_object_size(d->seen) == 0 ? DELETE_MAX : LOOK_MAX};
	store_find(d->v->store, STORE_DELETIONS, &query, on_deletions, d->v);
}

struct deletions *deletions_new(struct voiced *v)
{
	struct deletions *d = xcalloc(1, sizeof *d);
	*d = (struct deletions){.v = v, .seen = json_object()};
	store_remove(v->store, STORE_DELETIONS,
		     json_build("[[s, s, o]]", "deletedAt", "<", wall_json(wall_now().ms - NOTE_KEPT_MS)),
		     NULL, NULL);
	if (strcmp(store_kind_name(v->store), "mongodb") == 0)
		timer_start(&d->timer, v->base, 0, deletions_look, d);
	return d;
}

void deletions_free(struct deletions **dd)
{
	struct deletions *d = *dd;
	if (d == NULL)
		return;
	timer_stop(&d->timer);
	json_decref(d->seen);
	free(d);
	*dd = NULL;
}
