#include "lib/store/store_inside.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
json_t *store_run_find(struct store *s, struct job *j)
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

void store_post(struct store *s, job_fn *run, bool writes, enum store_kind kind, json_t *args, store_fn *fn,
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
	store_post(arg, run_nothing, false, STORE_HEALTH, json_object(), NULL, NULL);
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
	store_post(s, run_replicate, false, kind, json_object(), NULL, NULL);
}

void store_check(struct store *s, store_fn *fn, void *arg)
{
	char host[65] = "host", now[WALL_TEXT_SIZE];
	gethostname(host, sizeof host - 1);
	wall_format(wall_now(), now);
	store_post(s, run_check, true, STORE_HEALTH,
		   json_build("{s:{s:s, s:s}}", "document", "host", host, "checkedAt", now), fn, arg);
}

void store_put(struct store *s, enum store_kind kind, const json_t *document, store_fn *fn, void *arg)
{
	store_post(s, run_put, true, kind,
		   json_build("{s:o}", "document", store_with_key(&store_collections[kind], document)), fn,
		   arg);
}

void store_insert(struct store *s, enum store_kind kind, const json_t *document, store_fn *fn, void *arg)
{
	store_post(s, run_insert, true, kind,
		   json_build("{s:o}", "document", store_with_key(&store_collections[kind], document)), fn,
		   arg);
}

void store_get(struct store *s, enum store_kind kind, const char *field, const char *value, store_fn *fn,
	       void *arg)
{
	store_post(s, run_get, false, kind, json_build("{s:s, s:s}", "field", field, "value", value), fn,
		   arg);
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
	store_post(s, store_run_find, false, kind, args, fn, arg);
}

void store_count(struct store *s, enum store_kind kind, json_t *where, int64_t limit, store_fn *fn, void *arg)
{
	store_post(s, run_count, false, kind,
		   json_build("{s:o*, s:I}", "where", where, "limit", (json_int_t)limit), fn, arg);
}

void store_update(struct store *s, enum store_kind kind, const struct store_change *c, store_fn *fn,
		  void *arg)
{
	store_post(s, run_update, true, kind,
		   json_build("{s:s, s:s*, s:o*, s:o*, s:o*, s:o*, s:o*, s:b}", "key", c->key, "field",
			      c->field, "where", c->where, "set", c->set, "unset", c->unset, "add", c->add,
			      "remove", c->remove, "strict", c->strict),
		   fn, arg);
}

void store_remove(struct store *s, enum store_kind kind, json_t *where, store_fn *fn, void *arg)
{
	store_post(s, run_remove, true, kind, json_build("{s:o}", "where", where), fn, arg);
}
