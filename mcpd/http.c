#include "mcpd/http.h"

#include "lib/base/clock.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/secret.h"
#include "lib/http/api.h"
#include "lib/http/auth.h"
#include "lib/http/origin.h"
#include "lib/loop/loop.h"
#include "mcpd/discover.h"
#include "mcpd/http_headers.h"
#include "mcpd/rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HTTP_MAGIC 0x6d687470u

enum { SESSION_LEN = 32, SESSIONS_MAX = 100, IDLE_S = 3600, SWEEP_MS = 1000 };

/* One POST that carries a request. In the current era it is a client of its own. */
struct post {
	LIST_ENTRY(post) next;
	struct mcp_http *http;
	struct http_request *request; /* NULL: answered */
	json_t *id;
	struct rpc *rpc; /* the current era's */
	bool bad_meta;
	struct timer end;
};

/* A client of the older era, since its initialize. */
struct session {
	LIST_ENTRY(session) next;
	struct mcp_http *http;
	char id[SESSION_LEN + 1];
	struct rpc *rpc;
	LIST_HEAD(, post) posts;
	struct http_request *stream; /* for what was not asked for, or NULL */
	struct mono_us used;
};

struct mcp_http {
	unsigned magic;
	struct mcpd *mcpd;
	const struct config *config;
	LIST_HEAD(, session) sessions;
	LIST_HEAD(, post) posts; /* of the current era */
	struct timer sweep;
};

/* ---- answers ---- */

/* A fault found before the message is looked at; id is borrowed, or NULL; data is stolen. */
static void refuse(struct http_request *r, unsigned status, const json_t *id, int code, const char *message,
		   json_t *data)
{
	json_t *error = json_pack("{s:i, s:s}", "code", code, "message", message);
	if (data != NULL)
		json_object_set_new(error, "data", data);
	json_t *answer = json_pack("{s:s, s:o}", "jsonrpc", "2.0", "error", error);
	if (json_is_string(id) || json_is_integer(id))
		json_object_set(answer, "id", (json_t *)id);
	http_reply_json(r, status, answer);
}

static bool send_event(struct http_request *stream, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);
	bool sent = http_stream_event(stream, NULL, "message", text);
	free(text);
	json_decref(message);
	return sent;
}

/* Of the current era's answers; those of the older one are all 200. */
static unsigned status_of(const struct post *p, const json_t *message)
{
	json_t *error = json_object_get(message, "error");
	json_int_t code = json_integer_value(json_object_get(error, "code"));
	if (error == NULL || p->rpc == NULL)
		return 200;
	if (code == RPC_NO_METHOD)
		return 404;
	return code == RPC_UNKNOWN_VERSION || code == RPC_NO_CAPABILITY || code == RPC_HEADERS_DIFFER ||
			       code == RPC_INVALID_REQUEST || (code == RPC_INVALID_PARAMS && p->bad_meta)
		       ? 400
		       : 200;
}

static void free_post(void *arg)
{
	struct post *p = arg;
	LIST_REMOVE(p, next);
	timer_stop(&p->end);
	rpc_free(&p->rpc);
	json_decref(p->id);
	free(p);
}

/* Nothing more goes out on it. It is freed from the loop: its request may be in the middle of its end. */
static void end_post(struct post *p)
{
	p->request = NULL;
	timer_start(&p->end, p->http->mcpd->base, 0, free_post, p);
}

static void send_on_post(struct post *p, json_t *message)
{
	bool last = json_object_get(message, "method") == NULL;
	if (p->request == NULL) {
		json_decref(message); /* the client has gone */
		return;
	}
	if (last && !http_is_stream(p->request)) {
		http_reply_json(p->request, status_of(p, message), message);
		end_post(p);
		return;
	}
	if (!http_is_stream(p->request))
		http_stream_begin(p->request, NULL);
	send_event(p->request, message);
	if (last) {
		http_stream_end(p->request);
		end_post(p);
	}
}

/* Who asked has gone: in the current era that ends the request, in the older one it goes on. */
static void on_post_gone(void *arg)
{
	struct post *p = arg;
	if (http_is_stream(p->request))
		http_stream_end(p->request);
	else
		http_reply_error(p->request, 503, "gone", "Nobody waits for this.");
	end_post(p);
}

static struct post *new_post(struct mcp_http *h, struct http_request *r, const json_t *id)
{
	struct post *p = xcalloc(1, sizeof *p);
	p->http = h;
	p->request = r;
	p->id = json_incref((json_t *)id);
	http_on_gone(r, on_post_gone, p);
	return p;
}

/* ---- the current era ---- */

static void send_modern(void *arg, const json_t *about, json_t *message)
{
	(void)about;
	send_on_post(arg, message);
}

static void on_modern(struct mcp_http *h, struct http_request *r, json_t *message)
{
	json_t *id = json_object_get(message, "id");
	bool has_method = json_is_string(json_object_get(message, "method"));
	struct header_fault fault = {0};
	if (strcmp(http_method(r), "POST") != 0) {
		http_reply(r, 405, NULL, NULL, 0, "Allow: POST");
	} else if (!has_method) {
		refuse(r, 400, id, RPC_INVALID_REQUEST, "method must be a string", NULL);
	} else if (id == NULL) {
		http_reply(r, 202, NULL, NULL, 0, NULL); /* nothing of it concerns another request */
	} else if (!headers_fit(r, message, &fault)) {
		refuse(r, 400, id, fault.code, fault.message, NULL);
	} else {
		struct post *p = new_post(h, r, id);
		p->bad_meta = fault.bad_meta;
		LIST_INSERT_HEAD(&h->posts, p, next);
		p->rpc = rpc_new(h->mcpd, send_modern, p);
		rpc_take(p->rpc, message);
	}
}

/* ---- the older era ---- */

static struct post *find_post(struct session *s, const json_t *id)
{
	struct post *p;
	LIST_FOREACH (p, &s->posts, next)
		if (p->request != NULL && json_equal(p->id, (json_t *)id))
			return p;
	return NULL;
}

static void send_legacy(void *arg, const json_t *about, json_t *message)
{
	struct session *s = arg;
	struct post *p = about ? find_post(s, about) : NULL;
	if (p != NULL)
		send_on_post(p, message);
	else if (about == NULL && s->stream != NULL)
		send_event(s->stream, message);
	else
		json_decref(message); /* nobody listens */
}

static void end_stream(struct session *s)
{
	if (s->stream != NULL)
		http_stream_end(s->stream);
	s->stream = NULL;
}

static void on_stream_gone(void *arg)
{
	end_stream(arg);
}

static void free_session(struct session *s)
{
	struct post *p, *following;
	LIST_REMOVE(s, next);
	rpc_free(&s->rpc);
	end_stream(s);
	for (p = LIST_FIRST(&s->posts); p != NULL; p = following) {
		following = LIST_NEXT(p, next);
		if (p->request != NULL)
			on_post_gone(p);
		free_post(p);
	}
	free(s);
}

static bool is_idle(const struct session *s)
{
	return LIST_EMPTY(&s->posts) && s->stream == NULL;
}

/* Sessions that nobody used for an hour go; and with the last client the way to the daemons. */
static void on_sweep(void *arg)
{
	struct mcp_http *h = arg;
	struct session *s, *following;
	for (s = LIST_FIRST(&h->sessions); s != NULL; s = following) {
		following = LIST_NEXT(s, next);
		if (is_idle(s) && mono_now().us - s->used.us > IDLE_S * INT64_C(1000000))
			free_session(s);
	}
	if (mcp_http_clients(h) == 0)
		backend_rest(h->mcpd->backend);
	else
		timer_start(&h->sweep, h->mcpd->base, SWEEP_MS, on_sweep, h);
}

static struct session *new_session(struct mcp_http *h)
{
	struct session *s, *oldest = NULL;
	unsigned count = 0;
	LIST_FOREACH (s, &h->sessions, next) {
		count++;
		if (is_idle(s) && (oldest == NULL || s->used.us < oldest->used.us))
			oldest = s;
	}
	if (count >= SESSIONS_MAX && oldest == NULL)
		return NULL;
	if (count >= SESSIONS_MAX)
		free_session(oldest);
	s = xcalloc(1, sizeof *s);
	s->http = h;
	secret_make(s->id, SESSION_LEN);
	LIST_INIT(&s->posts);
	s->used = mono_now();
	s->rpc = rpc_new(h->mcpd, send_legacy, s);
	LIST_INSERT_HEAD(&h->sessions, s, next);
	return s;
}

/* The session that the request names; NULL: answered. */
static struct session *session_of(struct mcp_http *h, struct http_request *r, const json_t *id)
{
	const char *name = http_header(r, "Mcp-Session-Id"),
		   *version = http_header(r, "MCP-Protocol-Version");
	struct session *s;
	if (version != NULL && !discover_is_legacy(version)) {
		refuse(r, 400, id, RPC_INVALID_REQUEST, "Unsupported MCP-Protocol-Version",
		       json_pack("{s:s}", "requested", version));
		return NULL;
	}
	if (name == NULL) {
		refuse(r, 400, id, RPC_INVALID_REQUEST,
		       "Mcp-Session-Id is missing: send initialize first, or a request of 2026-07-28", NULL);
		return NULL;
	}
	LIST_FOREACH (s, &h->sessions, next)
		if (secret_equal(s->id, name)) {
			s->used = mono_now();
			return s;
		}
	refuse(r, 404, id, RPC_NO_SESSION, "Session not found: send initialize again", NULL);
	return NULL;
}

static void on_initialize(struct mcp_http *h, struct http_request *r, json_t *message)
{
	json_t *id = json_object_get(message, "id");
	struct session *s = new_session(h);
	if (s == NULL) {
		http_reply_error(r, 503, "sessions", "Too many MCP clients are connected.");
		return;
	}
	struct post *p = new_post(h, r, id);
	LIST_INSERT_HEAD(&s->posts, p, next);
	char line[64];
	snprintf(line, sizeof line, "Mcp-Session-Id: %s", s->id);
	http_header_add(r, line);
	rpc_take(s->rpc, message);
}

static void on_get(struct mcp_http *h, struct http_request *r)
{
	struct session *s = session_of(h, r, NULL);
	if (s == NULL)
		return;
	if (!headers_accept(r, "text/event-stream")) {
		http_reply_error(r, 406, "accept", "A stream of events is what GET answers.");
		return;
	}
	end_stream(s); /* the client has come again: it has lost the one before */
	s->stream = r;
	http_stream_begin(r, NULL);
	http_on_gone(r, on_stream_gone, s);
}

static void on_post(struct mcp_http *h, struct http_request *r, json_t *message)
{
	json_t *id = json_object_get(message, "id"), *method = json_object_get(message, "method");
	if (id != NULL && json_is_string(method) && strcmp(json_string_value(method), "initialize") == 0) {
		on_initialize(h, r, message);
		return;
	}
	struct session *s = session_of(h, r, id);
	if (s == NULL)
		return;
	if (!json_is_string(method) || id == NULL) {
		/* A notification, or the answer to a question of ours. */
		rpc_take(s->rpc, message);
		http_reply(r, 202, NULL, NULL, 0, NULL);
	} else if ((!json_is_string(id) && !json_is_integer(id)) || find_post(s, id) != NULL) {
		refuse(r, 400, NULL, RPC_INVALID_REQUEST,
		       "id must be a string or an integer that no request in work has", NULL);
	} else {
		struct post *p = new_post(h, r, id);
		LIST_INSERT_HEAD(&s->posts, p, next);
		rpc_take(s->rpc, message);
	}
}

static void on_delete(struct mcp_http *h, struct http_request *r)
{
	struct session *s = session_of(h, r, NULL);
	if (s == NULL)
		return;
	free_session(s);
	http_reply(r, 204, NULL, NULL, 0, NULL);
}

/* ---- both ---- */

static void on_message(struct mcp_http *h, struct http_request *r)
{
	size_t len;
	const char *body = http_body(r, &len);
	json_error_t fault;
	if (!headers_are_json(r)) {
		http_reply_error(r, 415, "content_type", "Send Content-Type: application/json.");
		return;
	}
	json_t *message = json_loadb(body, len, 0, &fault);
	if (json_is_object(message) && headers_are_modern(r, message))
		on_modern(h, r, message);
	else if (json_is_object(message))
		on_post(h, r, message);
	else if (json_is_array(message))
		refuse(r, 400, NULL, RPC_INVALID_REQUEST, "Batches are not supported", NULL);
	else
		refuse(r, 400, NULL, RPC_PARSE_ERROR, "Parse error: the body is no JSON object", NULL);
	json_decref(message);
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
		on_get(h, r);
	else
		on_delete(h, r);
}

unsigned mcp_http_clients(const struct mcp_http *h)
{
	OBJ_CHECK(h, HTTP_MAGIC);
	unsigned count = 0;
	const struct session *s;
	const struct post *p;
	LIST_FOREACH (s, &h->sessions, next)
		count++;
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
	LIST_INIT(&h->sessions);
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
	while (!LIST_EMPTY(&h->sessions))
		free_session(LIST_FIRST(&h->sessions));
	while (!LIST_EMPTY(&h->posts)) {
		struct post *p = LIST_FIRST(&h->posts);
		if (p->request != NULL)
			on_post_gone(p);
		free_post(p);
	}
	OBJ_FREE(h);
	*hh = NULL;
}
