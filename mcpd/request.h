/*
 * A request of a client: what its handler sees of it, and how it ends.
 *
 * A request ends when it is answered, when its client cancels it, and when its
 * client goes. It owns what its handler allocates and the questions that its
 * handler has at the daemons and at the client: all of that ends with it. So a
 * handler's continuation never runs without its request, and has nothing to
 * free. After request_answer, request_fail and whatever may call them, the
 * request and all that it owned are gone.
 */
#ifndef PHONY_MCPD_REQUEST_H
#define PHONY_MCPD_REQUEST_H

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
/* Zeroed memory, a copy of text and a JSON value (stolen) that last as long as the request. */
void *request_alloc(struct request *q, size_t size);
char *request_strdup(struct request *q, const char *text);
json_t *request_keep(struct request *q, json_t *value);

/* Asks a daemon. args is stolen. fn is called once, unless the request ends before. */
void request_query(struct request *q, enum message type, json_t *args, peer_answer_fn *fn, void *arg);

/*
 * Asks the client something inside the request: the older era only, one question
 * at a time. params is stolen. fn is told the result, NULL for an error, unless
 * the request ends before.
 */
typedef void request_asked_fn(void *arg, const json_t *result);
void request_ask(struct request *q, const char *method, json_t *params, request_asked_fn *fn, void *arg);
/* Whether the client answered the last question with an error: nobody was asked. */
bool request_ask_failed(const struct request *q);
const json_t *request_id(const struct request *q); /* borrowed */
/* Whether the first page of a list is asked for; there are no others: else it was answered. */
bool request_first_page(struct request *q);
/* The request's _meta, or NULL; borrowed. */
json_t *request_meta(const struct request *q);
/* Each ends the request. result is stolen; data (stolen) may be NULL. */
void request_answer(struct request *q, json_t *result, const struct rpc_cache *cache);
void request_fail(struct request *q, int code, const char *message, json_t *data);

#endif
