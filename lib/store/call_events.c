/* A call's events and the turns of its transcript, which are read as a whole and in order. */
#include "lib/base/json_build.h"
#include "lib/base/text.h"
#include "lib/store/store_inside.h"

#include <stdio.h>
#include <string.h>

/* More than a call can have: its transcript and events are read whole. */
enum { ALL = 100000 };

/* Sorts as (attempt, seq) does; voiced's own events have attempt -1. */
static char *position(int64_t attempt, int64_t seq)
{
	return xasprintf("%04lld/%016lld", (long long)attempt + 1, (long long)seq);
}

/* Between the turn with the number `before` and whatever precedes it, after others that came late. */
static char *late_position(const struct store_event *e, int64_t before)
{
	char *previous = position(e->attempt, before - 1);
	char *at = xasprintf("%s~%016lld", previous, (long long)e->seq);
	free(previous);
	return at;
}

static void add_turn(struct store *s, const struct store_event *e, const char *at, store_fn *fn, void *arg)
{
	int64_t before = json_integer_value(json_object_get(e->data, "before"));
	const char *said = json_string_value(json_object_get(e->data, "saidAt"));
	char *id = xasprintf("%s/%s", e->call_id, at);
	char *place = before > 0 ? late_position(e, before) : xstrdup(at);
	json_t *turn = json_build("{s:s, s:s, s:s, s:O, s:O, s:s}", "turnId", id, "callId", e->call_id,
				  "position", place, "role", json_object_get(e->data, "role"), "content",
				  json_object_get(e->data, "content"), "timestamp", said ? said : e->time);
	store_insert(s, STORE_TURNS, turn, fn, arg);
	json_decref(turn);
	free(place);
	free(id);
}

static void correct_turn(struct store *s, const struct store_event *e)
{
	char *at = position(e->attempt, json_integer_value(json_object_get(e->data, "turn")));
	char *id = xasprintf("%s/%s", e->call_id, at);
	struct store_change change = {.key = id,
				      .set = json_build("{s:O, s:b, s:s}", "content",
							json_object_get(e->data, "content"), "truncated", 1,
							"truncatedAt", e->time)};
	store_update(s, STORE_TURNS, &change, NULL, NULL);
	free(at);
	free(id);
}

void store_add_event(struct store *s, const struct store_event *e, store_fn *fn, void *arg)
{
	char *at = position(e->attempt, e->seq), *id = xasprintf("%s/%s", e->call_id, at);
	if (strcmp(e->type, "turn") == 0) {
		add_turn(s, e, at, fn, arg);
	} else {
		/* First: the event's end, which the caller waits for, comes after it. */
		if (strcmp(e->type, "turn-corrected") == 0)
			correct_turn(s, e);
		json_t *event =
			json_build("{s:s, s:s, s:I, s:I, s:s, s:s, s:O}", "eventId", id, "callId", e->call_id,
				   "attempt", (json_int_t)e->attempt, "seq", (json_int_t)e->seq, "type",
				   e->type, "timestamp", e->time, "data", e->data);
		store_insert(s, STORE_EVENTS, event, fn, arg);
		json_decref(event);
	}
	free(at);
	free(id);
}

/* The documents without the fields that only the store needs. */
static json_t *without(json_t *found, const char *const *fields)
{
	size_t i;
	json_t *document;
	json_array_foreach (json_object_get(found, "documents"), i, document)
		for (const char *const *field = fields; *field != NULL; field++)
			json_object_del(document, *field);
	return found;
}

static json_t *run_events(struct store *s, struct job *j)
{
	static const char *const own[] = {"eventId", "callId", NULL};
	return without(store_run_find(s, j), own);
}

static const char *const turns_own[] = {"turnId", "callId", "position", NULL};

/* The agent was interrupted before it: it stays stored, since later ones may be told with their place before
 * it. */
static bool is_unheard(const json_t *turn)
{
	return json_is_true(json_object_get(turn, "truncated")) &&
	       json_string_length(json_object_get(turn, "content")) == 0;
}

static json_t *run_turns(struct store *s, struct job *j)
{
	json_t *found = store_run_find(s, j), *turns = json_object_get(found, "documents");
	for (size_t i = json_array_size(turns); i-- > 0;)
		if (is_unheard(json_array_get(turns, i)))
			json_array_remove(turns, i);
	return without(found, turns_own);
}

static const char *turn_id(const json_t *turn)
{
	const char *id = json_string_value(json_object_get(turn, "turnId"));
	return id ? id : "";
}

/* An id sorts as its turn was told, see position(). */
static json_t *run_news(struct store *s, struct job *j)
{
	json_t *found = store_run_find(s, j), *turns = json_object_get(found, "documents"),
	       *fresh = json_array();
	json_t *turn, *other;
	json_int_t after = json_integer_value(json_object_get(j->args, "known"));
	size_t i, k;
	json_array_foreach (turns, i, turn) {
		json_int_t told_before = 0;
		json_array_foreach (turns, k, other)
			told_before += strcmp(turn_id(other), turn_id(turn)) < 0;
		if (told_before >= after && !is_unheard(turn))
			json_array_append(fresh, turn);
	}
	json_object_set_new(found, "count", json_integer((json_int_t)json_array_size(turns)));
	json_object_set_new(found, "documents", fresh);
	return without(found, turns_own);
}

void store_events(struct store *s, const char *call_id, const char *type, store_fn *fn, void *arg)
{
	json_t *where = json_build("[[s, s, s]]", "callId", "=", call_id);
	if (type != NULL)
		json_array_append_new(where, json_build("[s, s, s]", "type", "=", type));
	store_post(s, run_events, false, STORE_EVENTS,
		   json_build("{s:o, s:b, s:i}", "where", where, "ascending", 1, "limit", ALL), fn, arg);
}

static void read_turns(struct store *s, const char *call_id, bool keep, store_fn *fn, void *arg)
{
	store_post(s, run_turns, false, STORE_TURNS,
		   json_build("{s:[[s, s, s]], s:b, s:i, s:b}", "where", "callId", "=", call_id, "ascending",
			      1, "limit", ALL, "keep", keep),
		   fn, arg);
}

void store_turns(struct store *s, const char *call_id, store_fn *fn, void *arg)
{
	read_turns(s, call_id, false, fn, arg);
}

void store_turns_after(struct store *s, const char *call_id, int64_t after, store_fn *fn, void *arg)
{
	store_post(s, run_news, false, STORE_TURNS,
		   json_build("{s:[[s, s, s]], s:b, s:i, s:I}", "where", "callId", "=", call_id, "ascending",
			      1, "limit", ALL, "known", (json_int_t)after),
		   fn, arg);
}

void store_have_turns(struct store *s, const char *call_id)
{
	read_turns(s, call_id, true, NULL, NULL);
}
