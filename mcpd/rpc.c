#include "mcpd/rpc.h"

#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "mcpd/ask.h"
#include "mcpd/complete.h"
#include "mcpd/discover.h"
#include "mcpd/follow.h"
#include "mcpd/prompts.h"
#include "mcpd/resources.h"
#include "mcpd/tasks.h"
#include "mcpd/tools.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#define RPC_MAGIC 0x72706363u
#define REQUEST_MAGIC 0x72657175u

#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"
#define META_SERVER "io.modelcontextprotocol/serverInfo"
#define META_SUBSCRIPTION "io.modelcontextprotocol/subscriptionId"

struct request {
	unsigned magic;
	LIST_ENTRY(request) next;
	struct rpc *rpc; /* NULL: the client has gone */
	json_t *id, *params;
	bool modern, cancelled, listening;
	json_int_t asked; /* the client, by this number; 0: nothing */
	request_asked_fn *asked_fn;
	void *asked_arg;
};

struct rpc {
	unsigned magic;
	LIST_ENTRY(rpc) next;
	struct mcpd *mcpd;
	struct follow *follow;
	bool elicits; /* told by initialize */
	json_int_t questions;
	rpc_send_fn *send;
	void *arg;
	LIST_HEAD(, request) requests;
};

static void on_initialize(struct request *q);
static void on_listen(struct request *q);

enum era { LEGACY = 1, MODERN = 2, BOTH = 3 };

static const struct {
	const char *name;
	enum era era;
	void (*handle)(struct request *q);
} methods[] = {
	{"server/discover", BOTH, discover_modern},
	{"initialize", LEGACY, on_initialize},
	{"ping", LEGACY, discover_ping},
	{"tools/list", BOTH, tools_list},
	{"tools/call", BOTH, tools_call},
	{"prompts/list", BOTH, prompts_list},
	{"prompts/get", BOTH, prompts_get},
	{"resources/list", BOTH, resources_list},
	{"resources/templates/list", BOTH, resources_templates},
	{"resources/read", BOTH, resources_read},
	{"resources/subscribe", LEGACY, follow_subscribe},
	{"resources/unsubscribe", LEGACY, follow_unsubscribe},
	{"logging/setLevel", LEGACY, follow_set_level},
	{"completion/complete", BOTH, complete},
	{"subscriptions/listen", MODERN, on_listen},
	{"tasks/get", MODERN, tasks_get},
	{"tasks/update", MODERN, tasks_update},
	{"tasks/cancel", MODERN, tasks_cancel},
};

static void on_news(void *arg, const json_t *item)
{
	struct mcpd *m = arg;
	struct rpc *r;
	LIST_FOREACH (r, &m->clients, next)
		follow_news(r->follow, item);
}

void mcpd_init(struct mcpd *m, struct event_base *base, struct backend *backend)
{
	m->base = base;
	m->backend = backend;
	m->asks = asks_new();
	LIST_INIT(&m->clients);
	backend_on_news(backend, on_news, m);
}

void mcpd_free(struct mcpd *m)
{
	if (m->backend == NULL)
		return;
	backend_on_news(m->backend, NULL, NULL);
	backend_free(&m->backend);
	asks_free(&m->asks);
	tools_free();
}

struct rpc *rpc_new(struct mcpd *mcpd, rpc_send_fn *send, void *arg)
{
	struct rpc *r;
	OBJ_ALLOC(r, RPC_MAGIC);
	r->mcpd = mcpd;
	r->send = send;
	r->arg = arg;
	LIST_INIT(&r->requests);
	r->follow = follow_new(r, mcpd);
	LIST_INSERT_HEAD(&mcpd->clients, r, next);
	return r;
}

unsigned rpc_pending(const struct rpc *r)
{
	OBJ_CHECK(r, RPC_MAGIC);
	unsigned count = 0;
	const struct request *q;
	LIST_FOREACH (q, &r->requests, next)
		count += !q->listening && q->asked == 0;
	return count;
}

static void free_request(struct request *q)
{
	if (q->rpc != NULL) {
		follow_unlisten(q->rpc->follow, q->id);
		follow_progress_end(q->rpc->follow, q->id);
		LIST_REMOVE(q, next);
	}
	json_decref(q->id);
	json_decref(q->params);
	OBJ_FREE(q);
}

static void end_question(struct request *q, const json_t *result, bool gone)
{
	q->asked = 0;
	q->asked_fn(q->asked_arg, result, gone);
}

void rpc_free(struct rpc **rr)
{
	struct rpc *r = *rr;
	if (r == NULL)
		return;
	OBJ_CHECK(r, RPC_MAGIC);
	struct request *q, *following;
	for (q = LIST_FIRST(&r->requests); q != NULL; q = following) {
		following = LIST_NEXT(q, next);
		if (q->listening) {
			free_request(q); /* nobody else will end it */
			continue;
		}
		LIST_REMOVE(q, next);
		q->rpc = NULL;
		if (q->asked != 0)
			end_question(q, NULL, true);
	}
	LIST_REMOVE(r, next);
	follow_free(&r->follow);
	OBJ_FREE(r);
	*rr = NULL;
}

/* An error answer; without an id (NULL) it has no id member: clients refuse a null one. */
static void send_error(struct rpc *r, json_t *id, int code, const char *message, json_t *data)
{
	json_t *text = json_string(message);
	json_t *error = json_pack("{s:i, s:o}", "code", code, "message", text ? text : json_string("?"));
	if (data != NULL)
		json_object_set_new(error, "data", data);
	json_t *answer = json_pack("{s:s, s:o}", "jsonrpc", "2.0", "error", error);
	if (id != NULL)
		json_object_set(answer, "id", id);
	r->send(r->arg, id, answer);
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
		free_request(q);
		return;
	}
	if (q->modern) {
		if (json_object_get(result, "resultType") == NULL)
			json_object_set_new(result, "resultType", json_string("complete"));
		json_object_set_new(result, "_meta", json_pack("{s:o}", META_SERVER, discover_server_info()));
		if (cache != NULL) {
			json_object_set_new(result, "ttlMs", json_integer(cache->ttl_ms));
			json_object_set_new(result, "cacheScope", json_string(cache->scope));
		}
	}
	q->rpc->send(q->rpc->arg, q->id,
		     json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", q->id, "result", result));
	free_request(q);
}

void request_fail(struct request *q, int code, const char *message, json_t *data)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	if (q->rpc != NULL && !q->cancelled)
		send_error(q->rpc, q->id, code, message, data);
	else
		json_decref(data);
	free_request(q);
}

/* An empty elicitation means forms, too. */
static bool has_forms(const json_t *capabilities)
{
	json_t *elicitation = NULL, *form = NULL;
	struct json_reader r;
	json_read_open(&r, capabilities);
	json_read_object(&r, "elicitation", JSON_OPTIONAL, &elicitation);
	json_read_open(&r, elicitation);
	json_read_object(&r, "form", JSON_OPTIONAL, &form);
	return elicitation != NULL && (form != NULL || json_object_size(elicitation) == 0);
}

static void on_initialize(struct request *q)
{
	json_t *capabilities = NULL;
	struct json_reader r;
	json_read_open(&r, q->params);
	json_read_object(&r, "capabilities", JSON_OPTIONAL, &capabilities);
	q->rpc->elicits = has_forms(capabilities);
	discover_legacy(q);
}

bool request_can_ask(const struct request *q)
{
	OBJ_CHECK(q, REQUEST_MAGIC);
	if (q->rpc == NULL || q->cancelled)
		return false;
	return q->modern ? has_forms(json_object_get(request_meta(q), META_CAPABILITIES)) : q->rpc->elicits;
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
		     json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", q->asked, "method", method,
			       "params", params));
}

/* The client's answer to a question of ours. */
static void on_client_answer(struct rpc *r, const json_t *id, const json_t *result)
{
	struct request *q;
	LIST_FOREACH (q, &r->requests, next)
		if (q->asked != 0 && json_is_integer(id) && json_integer_value(id) == q->asked) {
			end_question(q, result, false);
			return;
		}
}

static void on_listen(struct request *q)
{
	q->listening = true;
	follow_listen(q);
}

void rpc_notify(struct rpc *r, const json_t *about, const char *method, json_t *params)
{
	r->send(r->arg, about,
		json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params));
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

static void on_cancelled(struct rpc *r, json_t *params)
{
	json_t *id = NULL;
	struct json_reader reader;
	struct request *q;
	json_read_open(&reader, params);
	json_read_any(&reader, "requestId", JSON_NEEDED, &id);
	LIST_FOREACH (q, &r->requests, next)
		if (json_equal(q->id, id))
			break;
	if (q == NULL)
		return;
	q->cancelled = true; /* a call that was placed meanwhile is found by phony_list_calls */
	if (q->listening)
		free_request(q);
	else if (q->asked != 0)
		end_question(q, NULL, true);
}

/* Whether the request is of the modern era; answers what is wrong with its _meta itself: then false in *ok.
 */
static bool check_meta(struct request *q, const char *method, bool *ok)
{
	json_t *meta = NULL, *capabilities = NULL;
	const char *version = NULL;
	struct json_reader r;
	json_read_open(&r, q->params);
	json_read_object(&r, "_meta", JSON_OPTIONAL, &meta);
	*ok = true;
	if (meta == NULL || json_object_get(meta, META_VERSION) == NULL)
		return strcmp(method, "server/discover") == 0;
	json_read_open(&r, meta);
	json_read_text(&r, META_VERSION, JSON_NEEDED, 1, 64, &version);
	json_read_object(&r, META_CAPABILITIES, JSON_NEEDED, &capabilities);
	*ok = false;
	if (version != NULL && !discover_is_modern(version)) {
		request_fail(q, RPC_UNKNOWN_VERSION, "Unsupported protocol version",
			     json_pack("{s:o, s:s}", "supported", discover_versions(), "requested", version));
	} else if (!json_read_ok(&r)) {
		char message[600];
		snprintf(message, sizeof message, "_meta: %s", r.faults);
		request_fail(q, RPC_INVALID_PARAMS, message, NULL);
	} else {
		*ok = true;
	}
	return true;
}

static void dispatch(struct rpc *r, json_t *id, const char *method, json_t *params)
{
	struct request *q;
	bool ok;
	OBJ_ALLOC(q, REQUEST_MAGIC);
	q->rpc = r;
	q->id = json_incref(id);
	q->params = params ? json_incref(params) : json_object();
	LIST_INSERT_HEAD(&r->requests, q, next);
	bool modern = check_meta(q, method, &ok);
	if (!ok)
		return; /* answered, and gone */
	q->modern = modern;
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (strcmp(methods[i].name, method) == 0 &&
		    (methods[i].era & (q->modern ? MODERN : LEGACY))) {
			methods[i].handle(q);
			return;
		}
	request_fail(q, RPC_NO_METHOD, "Method not found", NULL);
}

static bool id_in_use(const struct rpc *r, json_t *id)
{
	const struct request *q;
	LIST_FOREACH (q, &r->requests, next)
		if (json_equal(q->id, id))
			return true;
	return false;
}

static void on_object(struct rpc *r, json_t *message)
{
	const char *version = "", *method = NULL;
	json_t *id = json_object_get(message, "id"), *params = NULL;
	bool answer = json_object_get(message, "result") != NULL || json_object_get(message, "error") != NULL;
	struct json_reader reader;
	json_read_open(&reader, message);
	json_read_text(&reader, "jsonrpc", JSON_NEEDED, 1, 16, &version);
	bool has_method = json_is_string(json_object_get(message, "method"));
	if (id != NULL && !json_is_string(id) && !json_is_integer(id)) {
		send_error(r, NULL, RPC_INVALID_REQUEST, "id must be a string or an integer", NULL);
		return;
	}
	if (strcmp(version, "2.0") != 0) {
		send_error(r, id, RPC_INVALID_REQUEST, "jsonrpc must be \"2.0\"", NULL);
		return;
	}
	if (answer && !has_method) {
		on_client_answer(r, id, json_object_get(message, "result"));
		return;
	}
	if (!has_method) {
		send_error(r, id, RPC_INVALID_REQUEST, "method must be a string", NULL);
		return;
	}
	json_read_text(&reader, "method", JSON_NEEDED, 0, 1024, &method);
	json_read_object(&reader, "params", JSON_OPTIONAL, &params);
	if (id == NULL) {
		if (method != NULL && strcmp(method, "notifications/cancelled") == 0)
			on_cancelled(r, params);
	} else if (!json_read_ok(&reader)) {
		send_error(r, id, RPC_INVALID_REQUEST, reader.faults, NULL);
	} else if (id_in_use(r, id)) {
		send_error(r, id, RPC_INVALID_REQUEST, "id is in use by a request that is not answered yet",
			   NULL);
	} else {
		dispatch(r, id, method, params);
	}
}

void rpc_receive(struct rpc *r, const char *bytes, size_t len)
{
	OBJ_CHECK(r, RPC_MAGIC);
	json_error_t fault;
	json_t *message = json_loadb(bytes, len, JSON_DECODE_ANY, &fault);
	if (message == NULL) {
		char text[220];
		snprintf(text, sizeof text, "Parse error: %s", fault.text);
		send_error(r, NULL, RPC_PARSE_ERROR, text, NULL);
	} else {
		rpc_take(r, message);
	}
	json_decref(message);
}

void rpc_take(struct rpc *r, json_t *message)
{
	OBJ_CHECK(r, RPC_MAGIC);
	if (json_is_array(message))
		send_error(r, NULL, RPC_INVALID_REQUEST, "Batches are not supported", NULL);
	else if (!json_is_object(message))
		send_error(r, NULL, RPC_INVALID_REQUEST, "A message must be a JSON object", NULL);
	else
		on_object(r, message);
}

void rpc_refuse_too_long(struct rpc *r, size_t max)
{
	OBJ_CHECK(r, RPC_MAGIC);
	char text[100];
	snprintf(text, sizeof text, "Parse error: a message is over %zu bytes", max);
	send_error(r, NULL, RPC_PARSE_ERROR, text, NULL);
}
