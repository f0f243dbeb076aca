#include "mcpd/rpc.h"

#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "mcpd/features/completion.h"
#include "mcpd/features/elicitation.h"
#include "mcpd/features/notifications.h"
#include "mcpd/features/prompts.h"
#include "mcpd/features/resources.h"
#include "mcpd/features/server_info.h"
#include "mcpd/features/tasks.h"
#include "mcpd/features/tools.h"
#include "mcpd/rpc_inside.h"
#include "mcpd/rpc_parse.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#define RPC_MAGIC 0x72706363u

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

char *rpc_text(const json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (text == NULL)
		panic("an answer is not JSON");
	return text;
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

void rpc_send_answer(struct rpc *r, struct batch *batch, const json_t *id, json_t *answer)
{
	if (batch != NULL)
		batch_add(batch, answer);
	else
		r->send(r->arg, id, answer);
}

void rpc_send_error(struct rpc *r, struct batch *batch, json_t *id, int code, const char *message,
		    json_t *data)
{
	json_t *error = json_build("{s:i, s:s}", "code", code, "message", message);
	if (data != NULL)
		json_object_set_new(error, "data", data);
	json_t *answer = json_build("{s:s, s:o}", "jsonrpc", "2.0", "error", error);
	if (json_is_string(id) || json_is_number(id))
		json_object_set(answer, "id", id);
	rpc_send_answer(r, batch, id, answer);
}

void rpc_free(struct rpc **rr)
{
	struct rpc *r = *rr;
	if (r == NULL)
		return;
	OBJ_CHECK(r, RPC_MAGIC);
	r->closing = true;
	while (!LIST_EMPTY(&r->requests))
		request_free(LIST_FIRST(&r->requests));
	LIST_REMOVE(r, next);
	follow_free(&r->follow);
	OBJ_FREE(r);
	*rr = NULL;
}

static void on_initialize(struct request *q)
{
	json_t *capabilities = NULL;
	const char *version = "";
	struct json_reader r;
	if (q->batch != NULL) {
		request_fail(q, RPC_INVALID_REQUEST, "initialize must come alone, not in a batch", NULL);
		return;
	}
	json_read_open(&r, q->params);
	json_read_object(&r, "capabilities", JSON_OPTIONAL, &capabilities);
	json_read_text(&r, "protocolVersion", JSON_OPTIONAL, 0, 64, &version);
	q->rpc->elicits = request_has_forms(capabilities);
	q->rpc->batches = discover_has_batches(version);
	discover_legacy(q);
}

/* The client's answer to a question of ours. */
static void on_client_answer(struct rpc *r, const json_t *id, const json_t *result)
{
	struct request *q;
	LIST_FOREACH (q, &r->requests, next)
		if (q->asked != 0 && json_is_integer(id) && json_integer_value(id) == q->asked) {
			request_end_question(q, result);
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
		json_build("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params));
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
	/* What the daemons were asked to do is done all the same: phony_list_calls finds a call that was
	 * placed. */
	if (q != NULL)
		request_cancel(q);
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
		request_fail(
			q, RPC_UNKNOWN_VERSION, "Unsupported protocol version",
			json_build("{s:o, s:s}", "supported", discover_versions(), "requested", version));
	} else if (!json_read_ok(&r)) {
		char message[600];
		text_printf(message, sizeof message, "_meta: %s", r.faults);
		request_fail(q, RPC_INVALID_PARAMS, message, NULL);
	} else {
		*ok = true;
	}
	return true;
}

static void dispatch(struct rpc *r, json_t *id, const char *method, json_t *params)
{
	struct request *q = request_new(r, id, params);
	bool ok;
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

bool rpc_is_id(const json_t *id)
{
	int64_t whole;
	return json_is_string(id) || json_whole(id, &whole);
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
	if (id != NULL && !rpc_is_id(id)) {
		rpc_send_error(r, r->batch, id, RPC_INVALID_REQUEST, RPC_BAD_ID, NULL);
		return;
	}
	if (strcmp(version, "2.0") != 0) {
		rpc_send_error(r, r->batch, id, RPC_INVALID_REQUEST, "jsonrpc must be \"2.0\"", NULL);
		return;
	}
	if (answer && !has_method) {
		on_client_answer(r, id, json_object_get(message, "result"));
		return;
	}
	if (!has_method) {
		rpc_send_error(r, r->batch, id, RPC_INVALID_REQUEST, "method must be a string", NULL);
		return;
	}
	json_read_text(&reader, "method", JSON_NEEDED, 0, 1024, &method);
	json_read_object(&reader, "params", JSON_OPTIONAL, &params);
	if (id == NULL) {
		if (method != NULL && strcmp(method, "notifications/cancelled") == 0)
			on_cancelled(r, params);
	} else if (!json_read_ok(&reader)) {
		rpc_send_error(r, r->batch, id, RPC_INVALID_REQUEST, reader.faults, NULL);
	} else if (id_in_use(r, id)) {
		rpc_send_error(r, r->batch, id, RPC_INVALID_REQUEST,
			       "id is in use by a request that is not answered yet", NULL);
	} else {
		dispatch(r, id, method, params);
	}
}

static void take_one(struct rpc *r, json_t *message)
{
	if (json_is_object(message))
		on_object(r, message);
	else
		rpc_send_error(r, r->batch, NULL, RPC_INVALID_REQUEST, RPC_NO_OBJECT, NULL);
}

const char *rpc_batch_fault(const struct rpc *r, const json_t *message)
{
	enum { MAX = 100 }; /* as the words say */
	OBJ_CHECK(r, RPC_MAGIC);
	if (!r->batches)
		return RPC_NO_BATCHES;
	size_t count = json_array_size(message);
	return count == 0 || count > MAX ? "A batch has between 1 and 100 messages" : NULL;
}

/* Each as if it had come alone; the answers go back together. */
static void on_batch(struct rpc *r, json_t *message)
{
	size_t i;
	json_t *one;
	const char *fault = rpc_batch_fault(r, message);
	if (fault != NULL) {
		rpc_send_error(r, NULL, NULL, RPC_INVALID_REQUEST, fault, NULL);
		return;
	}
	struct batch *batch = r->batch = batch_new(message);
	json_array_foreach (message, i, one)
		take_one(r, one);
	r->batch = NULL;
	batch_release(&batch, r->send, r->arg);
}

void rpc_receive(struct rpc *r, const char *bytes, size_t len)
{
	OBJ_CHECK(r, RPC_MAGIC);
	char fault[220];
	json_t *id, *message = rpc_parse(bytes, len, fault, sizeof fault, &id);
	if (message == NULL)
		rpc_send_error(r, NULL, id, RPC_PARSE_ERROR, fault, NULL);
	else
		rpc_take(r, message);
	json_decref(message);
	json_decref(id);
}

void rpc_take(struct rpc *r, json_t *message)
{
	OBJ_CHECK(r, RPC_MAGIC);
	if (json_is_array(message))
		on_batch(r, message);
	else
		take_one(r, message);
}

static bool wants_answer(const json_t *message)
{
	if (json_is_string(json_object_get(message, "method")))
		return json_object_get(message, "id") != NULL;
	return json_object_get(message, "result") == NULL && json_object_get(message, "error") == NULL;
}

bool rpc_wants_answer(const json_t *message)
{
	size_t i;
	json_t *one;
	if (!json_is_array(message))
		return wants_answer(message);
	json_array_foreach (message, i, one)
		if (wants_answer(one))
			return true;
	return false;
}

void rpc_refuse_too_long(struct rpc *r, json_t *id, size_t max)
{
	OBJ_CHECK(r, RPC_MAGIC);
	char text[100];
	snprintf(text, sizeof text, "Parse error: a message is over %zu bytes", max);
	rpc_send_error(r, NULL, id, RPC_PARSE_ERROR, text, NULL);
}
