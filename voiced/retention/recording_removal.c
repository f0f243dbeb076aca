#include "voiced/retention/recording_removal.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/loop/loop.h"

#include <stdlib.h>
#include <string.h>

enum {
	LOOK_MS = 5000,
	AT_ONCE = 10,
	AGAIN_MIN_MS = 5 * 1000,
	AGAIN_MAX_MS = 3600 * 1000,
	ADOPT_EVERY_MS = 3600 * 1000,
	ADOPT_MAX = 1000,
};
#define DAY_MS INT64_C(86400000)

struct removals {
	struct voiced *v;
	struct timer timer;
	struct mono_us adopted;
};

static const char *text_of(const json_t *document, const char *field)
{
	const char *text = json_string_value(json_object_get(document, field));
	return text ? text : "";
}

static void removals_look(void *arg);

/* ---- what is to be removed ---- */

void removals_add(struct voiced *v, const char *recording_sid, enum store_kind of, const char *key,
		  store_fn *fn, void *arg)
{
	json_t *document =
		json_build("{s:s, s:s, s:s, s:I, s:o, s:o}", "recordingSid", recording_sid, "collection",
			   store_collections[of].name, "key", key, "tries", (json_int_t)0, "createdAt",
			   wall_json(wall_now().ms), "dueAt", wall_json(wall_now().ms));
	store_insert(v->store, STORE_REMOVALS, document, fn, arg);
	json_decref(document);
	if (v->removals != NULL && !v->draining)
		timer_start(&v->removals->timer, v->base, 0, removals_look, v->removals);
}

/* A removal that this host has taken. */
struct removal {
	struct voiced *v;
	json_t *document;
};

static void removal_end(struct removal *m)
{
	json_decref(m->document);
	free(m);
}

static void on_removed(void *arg, const struct twilio_answer *a)
{
	struct removal *m = arg;
	const char *sid = text_of(m->document, "recordingSid");
	int kind = store_collection_by_name(text_of(m->document, "collection"));
	if (a->outcome != TWILIO_DONE && !(a->outcome == TWILIO_REFUSED && a->code == TWILIO_NOT_FOUND)) {
		log_warn("Twilio's recording %s cannot be removed yet: %s", sid, a->message);
		removal_end(m);
		return;
	}
	log_info("Twilio's recording %s is removed", sid);
	if (kind >= 0) {
		struct store_change told = {
			.key = text_of(m->document, "key"),
			.set = json_build("{s:o}", "recordingRemovedAt", wall_json(wall_now().ms)),
			.unset = json_build("[s]", "recordingUntilAt")};
		store_update(m->v->store, (enum store_kind)kind, &told, NULL, NULL);
	}
	store_remove(m->v->store, STORE_REMOVALS, json_build("[[s, s, s]]", "recordingSid", "=", sid), NULL,
		     NULL);
	removal_end(m);
}

static void on_claimed(void *arg, json_t *result, const char *error)
{
	struct removal *m = arg;
	if (error != NULL || !json_is_object(result) || m->v->draining)
		removal_end(m); /* another host was quicker, or it waits for its next turn */
	else
		twilio_delete_recording(m->v->twilio, text_of(m->document, "recordingSid"), on_removed, m);
}

/* Takes it for this host: its time must be the one seen, and moves on, further each time. */
static void claim(struct voiced *v, json_t *document)
{
	int64_t tries = json_integer_value(json_object_get(document, "tries"));
	int64_t again_ms = tries < 10 ? (int64_t)AGAIN_MIN_MS << tries : AGAIN_MAX_MS;
	struct removal *m = xcalloc(1, sizeof *m);
	*m = (struct removal){v, json_incref(document)};
	struct store_change change = {
		.key = text_of(document, "recordingSid"),
		.where = json_build("[[s, s, O]]", "dueAt", "=", json_object_get(document, "dueAt")),
		.set = json_build(
			"{s:o, s:I}", "dueAt",
			wall_json(wall_now().ms + (again_ms < AGAIN_MAX_MS ? again_ms : AGAIN_MAX_MS)),
			"tries", (json_int_t)tries + 1),
		.strict = true};
	store_update(v->store, STORE_REMOVALS, &change, on_claimed, m);
}

static void on_due(void *arg, json_t *result, const char *error)
{
	struct voiced *v = arg;
	size_t i;
	json_t *document;
	if (error != NULL)
		log_debug("recordings to remove cannot be read: %s", error);
	json_array_foreach (json_object_get(result, "documents"), i, document)
		claim(v, document);
}

/* ---- what is older than RETENTION_DAYS ---- */

void removals_recorded(struct voiced *v, const char *call_id, const char *recording_sid)
{
	int64_t days = v->config->retention_days;
	struct store_change change = {.key = call_id,
				      .set = json_build("{s:s}", "recordingSid", recording_sid)};
	if (days > 0)
		json_object_set_new(change.set, "recordingUntilAt", wall_json(wall_now().ms + days * DAY_MS));
	store_update(v->store, STORE_CALLS, &change, NULL, NULL);
}

/* The documents are asked for again in an hour, unless they are done with by then. */
static void expire(struct voiced *v, enum store_kind kind, json_t *result, const char *error)
{
	size_t i;
	json_t *document;
	if (error != NULL)
		log_debug("what is older than RETENTION_DAYS cannot be read: %s", error);
	json_array_foreach (json_object_get(result, "documents"), i, document) {
		const char *key = store_key(&store_collections[kind], document);
		struct store_change change = {.key = key,
					      .set = json_build("{s:o}", "recordingUntilAt",
								wall_json(wall_now().ms + AGAIN_MAX_MS))};
		if (text_of(document, "recordingSid")[0] != '\0')
			removals_add(v, text_of(document, "recordingSid"), kind, key, NULL, NULL);
		store_update(v->store, kind, &change, NULL, NULL);
	}
}

static void on_old_calls(void *arg, json_t *result, const char *error)
{
	expire(arg, STORE_CALLS, result, error);
}

static void on_old_voicemails(void *arg, json_t *result, const char *error)
{
	expire(arg, STORE_VOICEMAILS, result, error);
}

/* Those of a time when RETENTION_DAYS was 0 have no end yet. */
static void adopt(struct voiced *v, enum store_kind kind, const char *time_field, store_fn *fn)
{
	json_t *before = wall_json(wall_now().ms - v->config->retention_days * DAY_MS);
	struct store_query old = {.where = json_build("[[s, s, n], [s, s, O], [s, s, n], [s, s, n]]",
						      "recordingSid", "present", time_field, "<", before,
						      "recordingUntilAt", "missing", "recordingRemovedAt",
						      "missing"),
				  .order = "recordingSid",
				  .ascending = true,
				  .limit = ADOPT_MAX};
	store_find(v->store, kind, &old, fn, v);
	json_decref(before);
}

static void look_for(struct voiced *v, enum store_kind kind, const char *field, store_fn *fn)
{
	struct store_query due = {.where = json_build("[[s, s, o]]", field, "<=", wall_json(wall_now().ms)),
				  .order = field,
				  .ascending = true,
				  .limit = AT_ONCE};
	store_find(v->store, kind, &due, fn, v);
}

static void removals_look(void *arg)
{
	struct removals *r = arg;
	struct voiced *v = r->v;
	timer_start(&r->timer, v->base, LOOK_MS, removals_look, r);
	if (v->draining)
		return;
	look_for(v, STORE_REMOVALS, "dueAt", on_due);
	look_for(v, STORE_CALLS, "recordingUntilAt", on_old_calls);
	look_for(v, STORE_VOICEMAILS, "recordingUntilAt", on_old_voicemails);
	if (v->config->retention_days > 0 &&
	    (r->adopted.us == 0 || mono_now().us - r->adopted.us > ADOPT_EVERY_MS * INT64_C(1000))) {
		r->adopted = mono_now();
		adopt(v, STORE_CALLS, "startedAt", on_old_calls);
		adopt(v, STORE_VOICEMAILS, "createdAt", on_old_voicemails);
	}
}

struct removals *removals_new(struct voiced *v)
{
	struct removals *r = xcalloc(1, sizeof *r);
	r->v = v;
	timer_start(&r->timer, v->base, 0, removals_look, r);
	return r;
}

void removals_free(struct removals **rr)
{
	struct removals *r = *rr;
	if (r == NULL)
		return;
	timer_stop(&r->timer);
	free(r);
	*rr = NULL;
}
