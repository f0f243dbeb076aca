#include "mcpd/request.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "mcpd/features/notifications.h"
#include "mcpd/features/server_info.h"
#include "mcpd/rpc_inside.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define META_SERVER "io.modelcontextprotocol/serverInfo"

/* What the request owns: memory that follows, or JSON. */
struct kept {
	SLIST_ENTRY(kept) next;
	json_t *json;
	max_align_t memory[];
};

/* A question to a daemon. It outlives its request when that ends first. */
struct query {
	LIST_ENTRY(query) next;
	struct request *request; /* NULL: it has ended */
	peer_answer_fn *fn;
	void *arg;
};

struct request *request_new(struct rpc *r, json_t *id, json_t *params)
{
	struct request *q;
	OBJ_ALLOC(q, REQUEST_MAGIC);
	q->rpc = r;
	q->batch = r->batch;
	if (q->batch != NULL)
		batch_hold(q->batch);
	q->id = json_incref(id);
	q->params = params ? json_incref(params) : json_object();
	SLIST_INIT(&q->kept);
	LIST_INIT(&q->queries);
	LIST_INSERT_HEAD(&r->requests, q, next);
	return q;
}

void request_free(struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	struct query *query;
	struct kept *kept;
	LIST_REMOVE(q, next);
	follow_unlisten(q->rpc->follow, q->id);
	follow_progress_end(q->rpc->follow, q->id);
	while ((query = LIST_FIRST(&q->queries)) != NULL) {
		LIST_REMOVE(query, next);
		query->request = NULL;
	}
	while ((kept = SLIST_FIRST(&q->kept)) != NULL) {
		SLIST_REMOVE_HEAD(&q->kept, next);
		json_decref(kept->json);
		free(kept);
	}
	batch_release(&q->batch, q->rpc->closing ? NULL : q->rpc->send, q->rpc->arg);
	json_decref(q->id);
	json_decref(q->params);
	OBJ_FREE(q);
}

void request_cancel(struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	if (q->batch == NULL)
		q->rpc->send(q->rpc->arg, q->id, NULL);
	request_free(q);
}

static struct kept *keep(struct request *q, size_t size)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	struct kept *kept = xcalloc(1, sizeof *kept + size);
	SLIST_INSERT_HEAD(&q->kept, kept, next);
	return kept;
}

void *request_alloc(struct request *q, size_t size)
{
	return keep(q, size)->memory;
}

char *request_strdup(struct request *q, const char *text)
{
	size_t size = strlen(text) + 1;
	return memcpy(request_alloc(q, size), text, size);
}

json_t *request_keep(struct request *q, json_t *value)
{
	return keep(q, 0)->json = value;
}

static void on_query_answered(void *arg, json_t *reply, const struct peer_error *error)
{
	struct query query = *(struct query *)arg;
	if (query.request != NULL)
		LIST_REMOVE((struct query *)arg, next);
	free(arg);
	if (query.request != NULL)
		query.fn(query.arg, reply, error);
}

void request_query(struct request *q, enum message type, json_t *args, peer_answer_fn *fn, void *arg)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	struct query *query = xcalloc(1, sizeof *query);
	*query = (struct query){.request = q, .fn = fn, .arg = arg};
	LIST_INSERT_HEAD(&q->queries, query, next);
	backend_ask(q->rpc->mcpd->backend, type, args, on_query_answered, query);
}

void request_end_question(struct request *q, const json_t *result)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	q->asked = 0;
	q->not_asked = result == NULL;
	q->asked_fn(q->asked_arg, result);
}

json_t *request_params(const struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	return q->params;
}

bool request_is_modern(const struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	return q->modern;
}

struct backend *request_backend(const struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	return q->rpc->mcpd->backend;
}

void request_answer(struct request *q, json_t *result, const struct rpc_cache *cache)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	if (q->modern) {
		if (json_object_get(result, "resultType") == NULL)
			json_object_set_new(result, "resultType", json_text("complete"));
		json_object_set_new(result, "_meta",
				    json_build("{s:o}", META_SERVER, discover_server_info()));
		if (cache != NULL) {
			json_object_set_new(result, "ttlMs", json_integer(cache->ttl_ms));
			json_object_set_new(result, "cacheScope", json_text(cache->scope));
		}
	}
	rpc_send_answer(q->rpc, q->batch, q->id,
			json_build("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", q->id, "result", result));
	request_free(q);
}

void request_fail(struct request *q, int code, const char *message, json_t *data)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	rpc_send_error(q->rpc, q->batch, q->id, code, message, data);
	request_free(q);
}

/* An empty elicitation means forms, too. */
bool request_has_forms(const json_t *capabilities)
{
	json_t *elicitation = NULL, *form = NULL;
	struct json_reader r;
	json_read_open(&r, capabilities);
	json_read_object(&r, "elicitation", JSON_OPTIONAL, &elicitation);
	json_read_open(&r, elicitation);
	json_read_object(&r, "form", JSON_OPTIONAL, &form);
	return elicitation != NULL && (form != NULL || json_object_size(elicitation) == 0);
}

bool request_can_ask(const struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	return q->modern ? request_has_forms(json_object_get(request_meta(q), META_CAPABILITIES))
			 : q->rpc->elicits;
}

bool request_has_extension(const struct request *q, const char *name)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	const json_t *capabilities = json_object_get(request_meta(q), META_CAPABILITIES);
	return q->modern &&
	       json_is_object(json_object_get(json_object_get(capabilities, "extensions"), name));
}

void request_ask(struct request *q, const char *method, json_t *params, request_asked_fn *fn, void *arg)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	q->asked = ++q->rpc->questions;
	q->asked_fn = fn;
	q->asked_arg = arg;
	q->rpc->send(q->rpc->arg, q->id,
		     json_build("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", q->asked, "method", method,
				"params", params));
}

bool request_ask_failed(const struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	return q->not_asked;
}

struct follow *request_follow(const struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	return q->rpc->follow;
}

const json_t *request_id(const struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	return q->id;
}

struct mcpd *request_mcpd(const struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	return q->rpc->mcpd;
}

json_t *request_meta(const struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	json_t *meta = NULL;
	struct json_reader r;
	json_read_open(&r, q->params);
	json_read_object(&r, "_meta", JSON_OPTIONAL, &meta);
	return meta;
}

bool request_first_page(struct request *q)
{
	struct json_reader r;
	json_read_open(&r, request_params(q));
	if (!json_read_given(&r, "cursor"))
		return true;
	request_fail(q, RPC_INVALID_PARAMS, "This cursor is none that a list has given", NULL);
	return false;
}
