#include "lib/store/store.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/loop/loop.h"
#include "lib/loop/worker_thread.h"
#include "lib/store/backend.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STORE_MAGIC 0x73746f72u

/* More than a call can have: its transcript and events are read whole. */
enum { ALL = 100000 };

struct store {
	unsigned magic;
	struct worker_thread *thread;
	struct store_backend *backend;
	struct event_base *base;
	struct timer tick;
	atomic_int again_ms; /* after how long the backend wants a tick; 0: never */
	bool closing;
	/* Of the batch at hand, on the thread: the first write begins it. */
	enum { IDLE, BEGUN, UNWRITABLE } batch;
};

struct job;
typedef json_t *job_fn(struct store *s, struct job *j);

struct job {
	struct worker_job job; /* first: a worker_job is a job */
	struct store *store;
	job_fn *run;
	bool writes;
	const struct store_collection *collection;
	json_t *args, *result;
	struct store_error error;
	store_fn *fn;
	void *arg;
};

/* ---- on the thread ---- */

static bool begin_writing(struct store *s)
{
	if (s->batch == IDLE)
		s->batch = s->backend->begin(s->backend->self) ? BEGUN : UNWRITABLE;
	return s->batch == BEGUN;
}

static void on_work(struct worker_job *w, void *context)
{
	struct job *j = (struct job *)w;
	struct store *s = context;
	/* Reading goes on while nothing can be written; each write would wait in vain. */
	if (!j->writes || begin_writing(s)) {
		j->result = j->run(s, j);
		return;
	}
	j->error.failure = STORE_BUSY;
	snprintf(j->error.text, sizeof j->error.text, "the store cannot be written at the moment; try again");
}

static void batch_begin(void *context)
{
	struct store *s = context;
	s->batch = IDLE;
	if (s->backend->tick)
		s->backend->tick(s->backend->self);
}

/* A spool writes what it is to bring to the database, even when nobody else writes. */
static bool batch_end(void *context)
{
	struct store *s = context;
	bool ok = s->backend->end(s->backend->self);
	atomic_store(&s->again_ms, s->backend->tick_again_ms(s->backend->self));
	return ok;
}

static json_t *run_put(struct store *s, struct job *j)
{
	store_free_as_text(j->collection, json_object_get(j->args, "document"));
	return s->backend->put(s->backend->self, j->collection, j->args, &j->error);
}

static json_t *run_insert(struct store *s, struct job *j)
{
	store_free_as_text(j->collection, json_object_get(j->args, "document"));
	json_t *result = s->backend->insert(s->backend->self, j->collection, j->args, &j->error);
	store_free_as_json(j->collection, json_object_get(result, "document"));
	return result;
}

static json_t *run_get(struct store *s, struct job *j)
{
	json_t *document = s->backend->get(s->backend->self, j->collection, j->args, &j->error);
	store_free_as_json(j->collection, document);
	return document;
}

static json_t *run_count(struct store *s, struct job *j)
{
	return s->backend->count(s->backend->self, j->collection, j->args, &j->error);
}

static json_t *run_update(struct store *s, struct job *j)
{
	store_free_as_text(j->collection, json_object_get(j->args, "set"));
	json_t *document = s->backend->update(s->backend->self, j->collection, j->args, &j->error);
	store_free_as_json(j->collection, document);
	return document;
}

static json_t *run_remove(struct store *s, struct job *j)
{
	if (json_array_size(json_object_get(j->args, "where")) == 0)
		return json_integer(0);
	return s->backend->remove(s->backend->self, j->collection, j->args, &j->error);
}

/* One more than was asked for tells whether there is a next page. */
static json_t *run_find(struct store *s, struct job *j)
{
	json_int_t limit = json_integer_value(json_object_get(j->args, "limit"));
	const char *order = json_string_value(json_object_get(j->args, "order"));
	json_object_set_new(j->args, "limit", json_integer(limit + 1));
	json_t *documents = s->backend->find(s->backend->self, j->collection, j->args, &j->error), *document;
	json_t *result = json_build("{s:o?}", "documents", documents);
	size_t i;
	json_array_foreach (documents, i, document)
		store_free_as_json(j->collection, document);
	if (j->error.failure == STORE_AWAY && j->error.text[0] == '\0')
		json_object_set_new(result, "incomplete", json_true());
	if ((json_int_t)json_array_size(documents) > limit) {
		char *cursor = store_cursor(j->collection, order ? order : j->collection->order,
					    json_array_get(documents, (size_t)limit - 1));
		json_array_remove(documents, (size_t)limit);
		json_object_set_new(result, "nextCursor", json_text(cursor));
		free(cursor);
	}
	return result;
}

static json_t *run_replicate(struct store *s, struct job *j)
{
	if (s->backend->replicate != NULL)
		s->backend->replicate(s->backend->self, j->collection);
	return NULL;
}

static json_t *run_check(struct store *s, struct job *j)
{
	json_decref(s->backend->put(s->backend->self, j->collection, j->args, &j->error));
	size_t spooled = s->backend->spooled ? s->backend->spooled(s->backend->self) : 0;
	return json_build("{s:I}", "spooled", (json_int_t)spooled);
}

/* ---- on the loop ---- */

/* The error that a store_fn is being told. */
static const struct store_error *told;

enum store_failure store_failure(const char *error)
{
	if (error == NULL)
		return STORE_DONE;
	return told != NULL && told->text == error && told->failure != STORE_DONE ? told->failure
										  : STORE_BUSY;
}

static void start_tick(struct store *s);

static void on_done(struct worker_job *w, bool ok)
{
	struct job *j = (struct job *)w;
	start_tick(j->store);
	const struct store_error *before = told;
	if (!ok && j->writes && j->error.text[0] == '\0') {
		j->error.failure = STORE_BUSY;
		snprintf(j->error.text, sizeof j->error.text, "the store could not write; is the disk full?");
	}
	told = &j->error;
	if (j->fn)
		j->fn(j->arg, j->error.text[0] ? NULL : j->result, j->error.text[0] ? j->error.text : NULL);
	told = before;
	json_decref(j->args);
	json_decref(j->result);
	free(j);
}

static json_t *run_nothing(struct store *s, struct job *j)
{
	(void)j;
	(void)s;
	return NULL;
}

/* Steals args. */
static void post(struct store *s, job_fn *run, bool writes, enum store_kind kind, json_t *args, store_fn *fn,
		 void *arg)
{
	OBJ_CHECK(s, STORE_MAGIC);
	struct job *j = xcalloc(1, sizeof *j);
	if (args == NULL)
		panic("arguments of a store's verb are no JSON");
	j->job.work = on_work;
	j->store = s;
	j->job.done = on_done;
	j->run = run;
	j->writes = writes;
	j->collection = &store_collections[kind];
	j->args = args;
	j->fn = fn;
	j->arg = arg;
	worker_thread_post(s->thread, &j->job);
}

static void on_tick(void *arg)
{
	post(arg, run_nothing, false, STORE_HEALTH, json_object(), NULL, NULL);
}

/* What the backend does by itself goes on when nobody asks for anything. */
static void start_tick(struct store *s)
{
	int ms = atomic_load(&s->again_ms);
	if (ms > 0 && !s->closing && !timer_running(&s->tick))
		timer_start(&s->tick, s->base, ms, on_tick, s);
}

struct store *store_open(struct event_base *base, const char *mongodb_url, const char *state_dir,
			 const char *name, char *error, size_t error_size)
{
	struct store_error fault = {.text = ""};
	bool mongodb = mongodb_url[0] != '\0';
	char *path =
		mongodb ? xasprintf("%s/spool-%s.db", state_dir, name) : xasprintf("%s/phony.db", state_dir);
	struct store_backend *backend = mongodb ? spool_backend_open(mongodb_url, path, &fault)
						: sqlite_backend_open(path, true, &fault);
	free(path);
	if (backend == NULL) {
		snprintf(error, error_size, "%s", fault.text);
		return NULL;
	}
	struct store *s;
	OBJ_ALLOC(s, STORE_MAGIC);
	s->backend = backend;
	struct worker_batch batch = {batch_begin, batch_end, s};
	s->thread = worker_thread_new(base, &batch);
	s->base = base;
	atomic_store(&s->again_ms, backend->tick_again_ms(backend->self));
	start_tick(s);
	return s;
}

void store_close(struct store **ss)
{
	struct store *s = *ss;
	if (s == NULL)
		return;
	OBJ_CHECK(s, STORE_MAGIC);
	s->closing = true;
	timer_stop(&s->tick);
	worker_thread_free(&s->thread);
	s->backend->close(s->backend->self);
	free(s->backend);
	OBJ_FREE(s);
	*ss = NULL;
}

void store_finish(struct store *s)
{
	OBJ_CHECK(s, STORE_MAGIC);
	worker_thread_finish(s->thread);
}

size_t store_pending(const struct store *s)
{
	OBJ_CHECK(s, STORE_MAGIC);
	return worker_thread_pending(s->thread);
}

const char *store_kind_name(const struct store *s)
{
	OBJ_CHECK(s, STORE_MAGIC);
	return s->backend->kind;
}

void store_replicate(struct store *s, enum store_kind kind)
{
	post(s, run_replicate, false, kind, json_object(), NULL, NULL);
}

void store_check(struct store *s, store_fn *fn, void *arg)
{
	char host[65] = "host", now[WALL_TEXT_SIZE];
	gethostname(host, sizeof host - 1);
	wall_format(wall_now(), now);
	post(s, run_check, true, STORE_HEALTH,
	     json_build("{s:{s:s, s:s}}", "document", "host", host, "checkedAt", now), fn, arg);
}

void store_put(struct store *s, enum store_kind kind, const json_t *document, store_fn *fn, void *arg)
{
	post(s, run_put, true, kind,
	     json_build("{s:o}", "document", store_with_key(&store_collections[kind], document)), fn, arg);
}

void store_insert(struct store *s, enum store_kind kind, const json_t *document, store_fn *fn, void *arg)
{
	post(s, run_insert, true, kind,
	     json_build("{s:o}", "document", store_with_key(&store_collections[kind], document)), fn, arg);
}

void store_get(struct store *s, enum store_kind kind, const char *field, const char *value, store_fn *fn,
	       void *arg)
{
	post(s, run_get, false, kind, json_build("{s:s, s:s}", "field", field, "value", value), fn, arg);
}

bool store_cursor_valid(const char *text)
{
	char *order, *key;
	if (!store_cursor_read(text, &order, &key))
		return false;
	free(order);
	free(key);
	return true;
}

void store_find(struct store *s, enum store_kind kind, const struct store_query *q, store_fn *fn, void *arg)
{
	char *order, *key;
	json_t *args = json_build("{s:o*, s:s*, s:b, s:I, s:b, s:b}", "where", q->where, "order", q->order,
				  "ascending", q->ascending, "limit", (json_int_t)q->limit, "whole", q->whole,
				  "keep", q->keep);
	if (q->cursor != NULL && store_cursor_read(q->cursor, &order, &key)) {
		json_object_set_new(args, "after", json_build("[s, s]", order, key));
		free(order);
		free(key);
	}
	post(s, run_find, false, kind, args, fn, arg);
}

void store_count(struct store *s, enum store_kind kind, json_t *where, int64_t limit, store_fn *fn, void *arg)
{
	post(s, run_count, false, kind, json_build("{s:o*, s:I}", "where", where, "limit", (json_int_t)limit),
	     fn, arg);
}

void store_update(struct store *s, enum store_kind kind, const struct store_change *c, store_fn *fn,
		  void *arg)
{
	post(s, run_update, true, kind,
	     json_build("{s:s, s:s*, s:o*, s:o*, s:o*, s:o*, s:o*, s:b}", "key", c->key, "field", c->field,
			"where", c->where, "set", c->set, "unset", c->unset, "add", c->add, "remove",
			c->remove, "strict", c->strict),
	     fn, arg);
}

void store_remove(struct store *s, enum store_kind kind, json_t *where, store_fn *fn, void *arg)
{
	post(s, run_remove, true, kind, json_build("{s:o}", "where", where), fn, arg);
}

/* ---- a call's events and turns ---- */

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
	return without(run_find(s, j), own);
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
	json_t *found = run_find(s, j), *turns = json_object_get(found, "documents");
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
	json_t *found = run_find(s, j), *turns = json_object_get(found, "documents"), *fresh = json_array();
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
	post(s, run_events, false, STORE_EVENTS,
	     json_build("{s:o, s:b, s:i}", "where", where, "ascending", 1, "limit", ALL), fn, arg);
}

static void read_turns(struct store *s, const char *call_id, bool keep, store_fn *fn, void *arg)
{
	post(s, run_turns, false, STORE_TURNS,
	     json_build("{s:[[s, s, s]], s:b, s:i, s:b}", "where", "callId", "=", call_id, "ascending", 1,
			"limit", ALL, "keep", keep),
	     fn, arg);
}

void store_turns(struct store *s, const char *call_id, store_fn *fn, void *arg)
{
	read_turns(s, call_id, false, fn, arg);
}

void store_turns_after(struct store *s, const char *call_id, int64_t after, store_fn *fn, void *arg)
{
	post(s, run_news, false, STORE_TURNS,
	     json_build("{s:[[s, s, s]], s:b, s:i, s:I}", "where", "callId", "=", call_id, "ascending", 1,
			"limit", ALL, "known", (json_int_t)after),
	     fn, arg);
}

void store_have_turns(struct store *s, const char *call_id)
{
	read_turns(s, call_id, true, NULL, NULL);
}
