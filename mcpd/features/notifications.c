#include "mcpd/features/notifications.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/loop/loop.h"
#include "mcpd/features/resources.h"
#include "mcpd/features/tasks.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#define FOLLOW_MAGIC 0x666f6c6cu
#define META_SUBSCRIPTION "io.modelcontextprotocol/subscriptionId"

enum { QUIET_MS = 300, SUBSCRIPTIONS_MAX = 200 }; /* updates of a resource come no faster */

struct subscription {
	LIST_ENTRY(subscription) next;
	json_t *id; /* of the listening request; NULL: the older era */
	char *uri;  /* of a resource, or a task's id */
	bool is_task, with_input, changed;
	struct request *request; /* the listening one, of a task */
};

struct progress {
	LIST_ENTRY(progress) next;
	json_t *id, *token;
	char *call_sid;
	json_int_t count;
};

struct follow {
	unsigned magic;
	struct rpc *rpc;
	struct mcpd *mcpd;
	LIST_HEAD(, subscription) subscriptions;
	LIST_HEAD(, progress) progress;
	int level; /* of log messages; -1: none are wanted */
	unsigned count;
	struct timer quiet;
};

static const char *const levels[] = {"debug",    "info",  "notice",    "warning", "error",
				     "critical", "alert", "emergency", NULL};

struct follow *follow_new(struct rpc *rpc, struct mcpd *mcpd)
{
	struct follow *f;
	OBJ_ALLOC(f, FOLLOW_MAGIC);
	f->rpc = rpc;
	f->mcpd = mcpd;
	f->level = -1;
	LIST_INIT(&f->subscriptions);
	LIST_INIT(&f->progress);
	return f;
}

static void forget(struct follow *f, struct subscription *s)
{
	LIST_REMOVE(s, next);
	f->count--;
	json_decref(s->id);
	free(s->uri);
	free(s);
}

static void forget_progress(struct progress *p)
{
	LIST_REMOVE(p, next);
	json_decref(p->id);
	json_decref(p->token);
	free(p->call_sid);
	free(p);
}

void follow_free(struct follow **ff)
{
	struct follow *f = *ff;
	if (f == NULL)
		return;
	OBJ_CHECK(f, FOLLOW_MAGIC);
	timer_stop(&f->quiet);
	while (!LIST_EMPTY(&f->subscriptions))
		forget(f, LIST_FIRST(&f->subscriptions));
	while (!LIST_EMPTY(&f->progress))
		forget_progress(LIST_FIRST(&f->progress));
	OBJ_FREE(f);
	*ff = NULL;
}

static struct subscription *find(struct follow *f, const json_t *id, const char *uri)
{
	struct subscription *s;
	LIST_FOREACH (s, &f->subscriptions, next)
		if (strcmp(s->uri, uri) == 0 && json_equal(s->id, (json_t *)id) == (id != NULL) &&
		    (s->id == NULL) == (id == NULL))
			return s;
	return NULL;
}

static struct subscription *add(struct follow *f, const json_t *id, const char *uri)
{
	if (find(f, id, uri) != NULL)
		return find(f, id, uri);
	if (f->count == SUBSCRIPTIONS_MAX)
		return NULL;
	struct subscription *s = xcalloc(1, sizeof *s);
	s->id = json_incref((json_t *)id);
	s->uri = xstrdup(uri);
	LIST_INSERT_HEAD(&f->subscriptions, s, next);
	f->count++;
	return s;
}

/* The uri of the request's params, of a resource that is there; NULL: answered. */
static const char *read_uri(struct request *q)
{
	const char *uri = NULL;
	struct json_reader r;
	json_read_open(&r, request_params(q));
	json_read_text(&r, "uri", JSON_NEEDED, 1, 1024, &uri);
	if (json_read_ok(&r) && resources_has(uri))
		return uri;
	request_fail(q, json_read_ok(&r) ? RPC_NO_RESOURCE : RPC_INVALID_PARAMS,
		     json_read_ok(&r) ? "Resource not found" : r.faults, NULL);
	return NULL;
}

void follow_subscribe(struct request *q)
{
	const char *uri = read_uri(q);
	if (uri == NULL)
		return;
	if (add(request_follow(q), NULL, uri) == NULL) {
		request_fail(q, RPC_INVALID_PARAMS, "Too many subscriptions", NULL);
		return;
	}
	backend_subscribe(request_backend(q));
	request_answer(q, json_object(), NULL);
}

void follow_unsubscribe(struct request *q)
{
	const char *uri = read_uri(q);
	if (uri == NULL)
		return;
	struct subscription *s = find(request_follow(q), NULL, uri);
	if (s != NULL)
		forget(request_follow(q), s);
	request_answer(q, json_object(), NULL);
}

void follow_set_level(struct request *q)
{
	const char *level = NULL;
	struct json_reader r;
	json_read_open(&r, request_params(q));
	json_read_word(&r, "level", JSON_NEEDED, levels, &level);
	if (!json_read_ok(&r) || level == NULL) {
		request_fail(q, RPC_INVALID_PARAMS, r.faults, NULL);
		return;
	}
	for (int i = 0; levels[i] != NULL; i++)
		if (strcmp(levels[i], level) == 0)
			request_follow(q)->level = i;
	backend_subscribe(request_backend(q));
	request_answer(q, json_object(), NULL);
}

static void listen_to_tasks(struct request *q, json_t *tasks, json_t *served)
{
	size_t i;
	json_t *task;
	if (!tasks_wanted(q))
		return;
	json_array_foreach (tasks, i, task) {
		struct subscription *s = add(request_follow(q), request_id(q), json_string_value(task));
		if (s == NULL)
			continue;
		s->is_task = true;
		s->request = q;
		s->with_input = request_can_ask(q);
		json_array_append(served, task);
	}
}

void follow_listen(struct request *q)
{
	struct follow *f = request_follow(q);
	json_t *wanted = NULL, *uris = NULL, *tasks = NULL, *uri, *served = json_array(),
	       *followed = json_array();
	size_t i;
	struct json_reader r;
	json_read_open(&r, request_params(q));
	json_read_object(&r, "notifications", JSON_OPTIONAL, &wanted);
	json_read_open(&r, wanted);
	if (wanted != NULL)
		json_read_texts(&r, "resourceSubscriptions", JSON_OPTIONAL, 0, SUBSCRIPTIONS_MAX, 1024,
				&uris);
	if (wanted != NULL)
		json_read_texts(&r, "taskIds", JSON_OPTIONAL, 0, SUBSCRIPTIONS_MAX, 64, &tasks);
	json_array_foreach (uris, i, uri)
		if (resources_has(json_string_value(uri)) && add(f, request_id(q), json_string_value(uri)))
			json_array_append(served, uri);
	listen_to_tasks(q, tasks, followed);
	if (json_array_size(served) + json_array_size(followed) > 0)
		backend_subscribe(request_backend(q));
	json_t *notifications = json_object();
	if (json_array_size(served) > 0)
		json_object_set(notifications, "resourceSubscriptions", served);
	if (json_array_size(followed) > 0)
		json_object_set(notifications, "taskIds", followed);
	json_decref(served);
	json_decref(followed);
	rpc_notify(f->rpc, request_id(q), "notifications/subscriptions/acknowledged",
		   json_build("{s:o, s:{s:O}}", "notifications", notifications, "_meta", META_SUBSCRIPTION,
			      request_id(q)));
}

void follow_unlisten(struct follow *f, const json_t *id)
{
	struct subscription *s, *following;
	for (s = LIST_FIRST(&f->subscriptions); s != NULL; s = following) {
		following = LIST_NEXT(s, next);
		if (s->id != NULL && json_equal(s->id, (json_t *)id))
			forget(f, s);
	}
}

void follow_progress(struct request *q, const char *call_sid, const json_t *token)
{
	struct progress *p = xcalloc(1, sizeof *p);
	p->id = json_incref((json_t *)request_id(q));
	p->token = json_incref((json_t *)token);
	p->call_sid = xstrdup(call_sid);
	LIST_INSERT_HEAD(&request_follow(q)->progress, p, next);
	backend_subscribe(request_backend(q));
}

void follow_progress_end(struct follow *f, const json_t *id)
{
	struct progress *p, *following;
	for (p = LIST_FIRST(&f->progress); p != NULL; p = following) {
		following = LIST_NEXT(p, next);
		if (json_equal(p->id, (json_t *)id))
			forget_progress(p);
	}
}

/* ---- what happens ---- */

/* A task's notification is the whole task. */
static void on_task(void *arg, json_t *call, const struct peer_error *error)
{
	const struct subscription *s = arg;
	if (error != NULL)
		return; /* the next news ask again */
	json_t *task = tasks_describe(s->uri, call, s->with_input);
	json_object_set_new(task, "_meta", json_build("{s:O}", META_SUBSCRIPTION, s->id));
	rpc_notify(request_follow(s->request)->rpc, s->id, "notifications/tasks", task);
}

static void on_quiet(void *arg)
{
	struct follow *f = arg;
	struct subscription *s;
	LIST_FOREACH (s, &f->subscriptions, next) {
		if (!s->changed)
			continue;
		s->changed = false;
		if (s->is_task) {
			request_query(s->request, MSG_GET_CALL, json_build("{s:s}", "callSid", s->uri),
				      on_task, s);
			continue;
		}
		json_t *params = json_build("{s:s}", "uri", s->uri);
		if (s->id != NULL)
			json_object_set_new(params, "_meta", json_build("{s:O}", META_SUBSCRIPTION, s->id));
		rpc_notify(f->rpc, s->id, "notifications/resources/updated", params);
	}
}

/* What a call is known by: its callSid, and the id that it had while it was scheduled, or NULL. */
struct call_names {
	const char *sid, *first;
};

static bool is_named(const struct call_names *names, const char *id)
{
	return strcmp(names->sid, id) == 0 || (names->first != NULL && strcmp(names->first, id) == 0);
}

static bool concerns(const struct subscription *s, const struct call_names *names)
{
	if (s->is_task)
		return is_named(names, s->uri);
	return resources_concerns(s->uri, names->sid) ||
	       (names->first != NULL && resources_concerns(s->uri, names->first));
}

static void tell_progress(struct follow *f, const struct call_names *names, const char *words)
{
	struct progress *p;
	LIST_FOREACH (p, &f->progress, next)
		if (is_named(names, p->call_sid))
			rpc_notify(f->rpc, p->id, "notifications/progress",
				   json_build("{s:O, s:I, s:s}", "progressToken", p->token, "progress",
					      ++p->count, "message", words));
}

void follow_news(struct follow *f, const json_t *item)
{
	OBJ_CHECK(f, FOLLOW_MAGIC);
	const char *kind = "", *sid = NULL, *first = NULL, *status = "", *role = "", *content = "";
	char words[300];
	struct json_reader r;
	struct subscription *s;
	json_read_open(&r, item);
	json_read_text(&r, "kind", JSON_NEEDED, 1, 32, &kind);
	json_read_text(&r, "callSid", JSON_OPTIONAL, 1, 64, &sid);
	json_read_text(&r, "requestId", JSON_OPTIONAL, 1, 64, &first);
	json_read_text(&r, "status", JSON_OPTIONAL, 0, 32, &status);
	json_read_text(&r, "role", JSON_OPTIONAL, 0, 32, &role);
	json_read_text(&r, "content", JSON_OPTIONAL, 0, 64 * 1024, &content);
	if (sid == NULL)
		return;
	const struct call_names names = {sid, first};
	bool changes = false;
	LIST_FOREACH (s, &f->subscriptions, next)
		if (concerns(s, &names))
			changes = s->changed = true;
	if (changes && !timer_running(&f->quiet))
		timer_start(&f->quiet, f->mcpd->base, QUIET_MS, on_quiet, f);
	if (strcmp(kind, "turn") == 0)
		text_printf(words, sizeof words, "%s: %.*s", role, TEXT_CUT(content, 200));
	else
		text_printf(words, sizeof words, "%s%s%s", kind, status[0] ? ": " : "", status);
	tell_progress(f, &names, words);
	/* No number, no word of the conversation: logs go far. */
	if (f->level >= 0 && f->level <= 1 && strcmp(kind, "call") == 0)
		rpc_notify(f->rpc, NULL, "notifications/message",
			   json_build("{s:s, s:s, s:{s:s, s:s}}", "level", "info", "logger", "calls", "data",
				      "callSid", sid, "status", status));
}
