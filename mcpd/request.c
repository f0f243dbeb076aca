#include "mcpd/request.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "mcpd/discover.h"
#include "mcpd/follow.h"
#include "mcpd/rpc_inside.h"

#include <stdio.h>
#include <string.h>

#define META_SERVER "io.modelcontextprotocol/serverInfo"

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
	LIST_INSERT_HEAD(&r->requests, q, next);
	return q;
}

void request_free(struct request *q)
{
	batch_release(&q->batch, q->rpc ? q->rpc->send : NULL, q->rpc ? q->rpc->arg : NULL);
	if (q->rpc != NULL) {
		follow_unlisten(q->rpc->follow, q->id);
		follow_progress_end(q->rpc->follow, q->id);
		LIST_REMOVE(q, next);
	}
	json_decref(q->id);
	json_decref(q->params);
	OBJ_FREE(q);
}

void request_end_question(struct request *q, const json_t *result, bool gone)
{
	q->asked = 0;
	q->asked_fn(q->asked_arg, result, gone);
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
	if (q->rpc == NULL || q->cancelled) {
		json_decref(result);
		request_free(q);
		return;
	}
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
	if (q->rpc != NULL && !q->cancelled)
		rpc_send_error(q->rpc, q->batch, q->id, code, message, data);
	else
		json_decref(data);
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
	if (q->rpc == NULL || q->cancelled)
		return false;
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
	if (json_object_get(request_params(q), "cursor") == NULL)
		return true;
	request_fail(q, RPC_INVALID_PARAMS, "This cursor is none that a list has given", NULL);
	return false;
}
