/*
 * JSON-RPC and MCP of both eras (2026-07-28, which has no handshake, and
 * 2025-11-25 and older, opened by initialize), whatever carries the messages.
 */
#ifndef PHONY_MCPD_RPC_H
#define PHONY_MCPD_RPC_H

#include "mcpd/mcpd.h"

#include <stdbool.h>

/* The members of a request's _meta by which the current era is known. */
#define META_VERSION "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"

struct rpc;

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

/*
 * Sends one message to the client; stolen. about is the id of the request that
 * it answers or belongs to, or the array that it answers, NULL of what was not
 * asked for. message is NULL when nothing more will be said about a request or
 * an array: it was cancelled.
 */
typedef void rpc_send_fn(void *arg, const json_t *about, json_t *message);

/* One client. */
struct rpc *rpc_new(struct mcpd *mcpd, rpc_send_fn *send, void *arg);
void rpc_free(struct rpc **r);

/*
 * A message as it is sent: one line of ASCII. Some readers of lines and of events
 * take U+0085, U+2028 and U+2029 for the end of a line. The caller frees.
 */
char *rpc_text(const json_t *message);

/* One message as it came, without its line end. */
void rpc_receive(struct rpc *r, const char *bytes, size_t len);
/* The same, parsed; borrowed. */
void rpc_take(struct rpc *r, json_t *message);
/* Whether this is an id that a request may have: a text or a whole number, however it is written. */
bool rpc_is_id(const json_t *id);
#define RPC_NO_OBJECT "A message must be a JSON object"
#define RPC_BAD_ID "id must be a string or an integer"
/* Whether something is to be said to it: not to notifications, nor to answers to questions of ours. */
bool rpc_wants_answer(const json_t *message);
#define RPC_NO_BATCHES "Batches are of MCP 2025-03-26 and older: send one message at a time"
/* Why this array is no batch that the client may send; NULL: it is one. */
const char *rpc_batch_fault(const struct rpc *r, const json_t *message);
/* A message was too long to be read; id (borrowed, or NULL) is its id. */
void rpc_refuse_too_long(struct rpc *r, json_t *id, size_t max);
/* Tells the client something; about (borrowed, or NULL): of which request. params is stolen. */
void rpc_notify(struct rpc *r, const json_t *about, const char *method, json_t *params);
/* Requests not answered yet, without those that wait for the client. */
unsigned rpc_pending(const struct rpc *r);

#endif
