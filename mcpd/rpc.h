/*
 * JSON-RPC and MCP of both eras (2026-07-28, which has no handshake, and
 * 2025-11-25 and older, opened by initialize), whatever carries the messages.
 */
#ifndef PHONY_RPC_H
#define PHONY_RPC_H

#include "mcpd/mcpd.h"

#include <stdbool.h>

struct rpc;
struct request;

/*
 * Sends one message to the client; stolen. about is the id of the request that
 * it answers or belongs to, NULL of what was not asked for.
 */
typedef void rpc_send_fn(void *arg, const json_t *about, json_t *message);

/* One client. */
struct rpc *rpc_new(struct mcpd *mcpd, rpc_send_fn *send, void *arg);
void rpc_free(struct rpc **r);

/* One message as it came, without its line end. */
void rpc_receive(struct rpc *r, const char *bytes, size_t len);
/* The same, parsed; borrowed. */
void rpc_take(struct rpc *r, json_t *message);
/* A message was too long to be read. */
void rpc_refuse_too_long(struct rpc *r, size_t max);
/* Tells the client something; about (borrowed, or NULL): of which request. params is stolen. */
void rpc_notify(struct rpc *r, const json_t *about, const char *method, json_t *params);
/* Requests not answered yet, without those that wait for the client. */
unsigned rpc_pending(const struct rpc *r);

/* ---- for the handlers of requests ---- */

enum {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_NO_RESOURCE = -32002, /* the older era only */
	RPC_HEADERS_DIFFER = -32020,
	RPC_NO_CAPABILITY = -32021,
	RPC_UNKNOWN_VERSION = -32022,
	RPC_NO_SESSION = -32001, /* as the official servers say it */
};

/* How long a result may be kept; NULL of a result that is not cacheable. */
struct rpc_cache {
	long ttl_ms;
	const char *scope; /* "public" or "private" */
};

json_t *request_params(const struct request *q); /* an object, borrowed */
bool request_is_modern(const struct request *q);
struct backend *request_backend(const struct request *q);
struct mcpd *request_mcpd(const struct request *q);
struct follow *request_follow(const struct request *q);
/* Whether the client says that it can put a form before its person (elicitation). */
bool request_can_ask(const struct request *q);
/* Whether the request's client declares this extension: the current era only. */
bool request_has_extension(const struct request *q, const char *name);
/*
 * Asks the client something inside the request: the older era only, one question at
 * a time. params is stolen. fn is told its result, NULL for an error; or, gone, that
 * nobody waits for the request any more: it must be ended all the same.
 */
typedef void request_asked_fn(void *arg, const json_t *result, bool gone);
void request_ask(struct request *q, const char *method, json_t *params, request_asked_fn *fn, void *arg);
const json_t *request_id(const struct request *q); /* borrowed */
/* Whether the first page of a list is asked for; there are no others: else it was answered. */
bool request_first_page(struct request *q);
/* The request's _meta, or NULL; borrowed. */
json_t *request_meta(const struct request *q);
/* Each ends the request. result is stolen; data (stolen) may be NULL. */
void request_answer(struct request *q, json_t *result, const struct rpc_cache *cache);
void request_fail(struct request *q, int code, const char *message, json_t *data);

#endif
