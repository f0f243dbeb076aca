/* A request of a client's: what its handler sees of it, and how it ends. */
#ifndef PHONY_REQUEST_H
#define PHONY_REQUEST_H

#include "mcpd/rpc.h"

#include <jansson.h>
#include <stdbool.h>

struct request;

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
