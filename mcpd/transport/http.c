#include "mcpd/transport/http.h"

#include "lib/base/object.h"
#include "lib/http/auth.h"
#include "lib/http/json_api.h"
#include "lib/http/origin.h"
#include "lib/loop/loop.h"
#include "mcpd/rpc_parse.h"
#include "mcpd/transport/http_headers.h"
#include "mcpd/transport/http_post.h"
#include "mcpd/transport/http_sessions.h"

#include <stdlib.h>
#include <string.h>

#define HTTP_MAGIC 0x6d687470u

enum { SWEEP_MS = 1000 };

struct mcp_http {
	unsigned magic;
	struct mcpd *mcpd;
	const struct config *config;
	struct http_sessions *sessions; /* of the older era */
	struct post_list posts;         /* of the current one */
	struct timer sweep;
};

static void send_modern(void *arg, const json_t *about, json_t *message)
{
	(void)about;
	post_send(arg, message);
}

static void on_modern(struct mcp_http *h, struct http_request *r, json_t *message)
{
	json_t *id = json_object_get(message, "id");
	bool has_method = json_is_string(json_object_get(message, "method"));
	struct header_fault fault = {0};
	if (strcmp(http_method(r), "POST") != 0) {
		http_reply(r, 405, NULL, NULL, 0, "Allow: POST");
	} else if (!has_method) {
		post_refuse(r, 400, id, RPC_INVALID_REQUEST, "method must be a string", NULL);
	} else if (id == NULL) {
		http_reply(r, 202, NULL, NULL, 0, NULL); /* nothing of it concerns another request */
	} else if (!headers_fit(r, message, &fault)) {
		post_refuse(r, 400, id, fault.code, fault.message, NULL);
	} else {
		struct post *p = post_new(&h->posts, h->mcpd->base, r, id);
		p->bad_meta = fault.bad_meta;
		p->rpc = rpc_new(h->mcpd, send_modern, p);
		rpc_take(p->rpc, message);
	}
}

static void on_message(struct mcp_http *h, struct http_request *r)
{
	size_t len;
	const char *body = http_body(r, &len);
	char fault[220];
	if (!http_is_json(r)) {
		http_reply_error(r, 415, "content_type", "Send Content-Type: application/json.");
		return;
	}
	json_t *id, *message = rpc_parse(body, len, fault, sizeof fault, &id);
	if (json_is_object(message) && headers_are_modern(r, message))
		on_modern(h, r, message);
	else if (message == NULL)
		post_refuse(r, 400, id, RPC_PARSE_ERROR, fault, NULL);
	else if (!json_is_object(message) && !json_is_array(message))
		post_refuse(r, 400, NULL, RPC_INVALID_REQUEST, RPC_NO_OBJECT, NULL);
	else if (json_is_array(message) && headers_are_modern(r, NULL))
		post_refuse(r, 400, NULL, RPC_INVALID_REQUEST, RPC_NO_BATCHES, NULL);
	else
		http_sessions_post(h->sessions, r, message);
	json_decref(message);
	json_decref(id);
}

/* With the last client the way to the daemons goes. */
static void on_sweep(void *arg)
{
	struct mcp_http *h = arg;
	if (http_sessions_sweep(h->sessions) == 0 && LIST_EMPTY(&h->posts))
		backend_rest(h->mcpd->backend);
	else
		timer_start(&h->sweep, h->mcpd->base, SWEEP_MS, on_sweep, h);
}

void mcp_http_handle(struct http_request *r, void *arg)
{
	struct mcp_http *h = arg;
	OBJ_CHECK(h, HTTP_MAGIC);
	const char *method = http_method(r);
	if (!origin_is_ours(r, h->config->public_url))
		return;
	if (!timer_running(&h->sweep))
		timer_start(&h->sweep, h->mcpd->base, SWEEP_MS, on_sweep, h);
	if (!auth_admit(r, h->config))
		return;
	if (strcmp(http_path(r), "/mcp") != 0)
		http_reply_error(r, 404, "not_found", "MCP is served at /mcp.");
	else if (strcmp(method, "POST") == 0)
		on_message(h, r);
	else if (headers_are_modern(r, NULL) || (strcmp(method, "GET") != 0 && strcmp(method, "DELETE") != 0))
		http_reply(r, 405, NULL, NULL, 0, "Allow: POST");
	else if (strcmp(method, "GET") == 0)
		http_sessions_get(h->sessions, r);
	else
		http_sessions_delete(h->sessions, r);
}

unsigned mcp_http_clients(const struct mcp_http *h)
{
	OBJ_CHECK(h, HTTP_MAGIC);
	unsigned count = http_sessions_count(h->sessions);
	const struct post *p;
	LIST_FOREACH (p, &h->posts, next)
		count++;
	return count;
}

struct mcp_http *mcp_http_new(struct mcpd *mcpd, const struct config *config)
{
	struct mcp_http *h;
	OBJ_ALLOC(h, HTTP_MAGIC);
	h->mcpd = mcpd;
	h->config = config;
	h->sessions = http_sessions_new(mcpd);
	LIST_INIT(&h->posts);
	return h;
}

void mcp_http_free(struct mcp_http **hh)
{
	struct mcp_http *h = *hh;
	if (h == NULL)
		return;
	OBJ_CHECK(h, HTTP_MAGIC);
	timer_stop(&h->sweep);
	http_sessions_free(&h->sessions);
	post_free_all(&h->posts);
	OBJ_FREE(h);
	*hh = NULL;
}
