#include "mcpd/transport/http_sessions.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/object.h"
#include "lib/base/secret.h"
#include "lib/http/json_api.h"
#include "mcpd/features/server_info.h"
#include "mcpd/transport/http_headers.h"
#include "mcpd/transport/http_post.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_MAGIC 0x6d736573u

enum {
	ID_LEN = 32,
	SESSIONS_MAX = 100,
	IDLE_S = 3600,
	LISTENER = 0, /* the stream of what was not asked for; those of requests count from 1 */
};

struct session {
	LIST_ENTRY(session) next;
	struct mcpd *mcpd;
	char id[ID_LEN + 1];
	struct rpc *rpc;
	struct post_list posts;
	unsigned streams;              /* so many posts there were */
	struct http_request *listener; /* who hears what was not asked for, or NULL */
	struct http_events *events;
	struct mono_us used;
};

struct http_sessions {
	unsigned magic;
	struct mcpd *mcpd;
	LIST_HEAD(, session) list;
};

/* about: the id of a request, or the batch that came in the POST. */
static bool carries(const struct post *p, const json_t *about)
{
	size_t i;
	json_t *one;
	json_array_foreach (p->about, i, one)
		if (json_equal(json_object_get(one, "id"), about))
			return true;
	return json_equal(p->about, about);
}

static struct post *find_post(struct session *s, const json_t *about)
{
	struct post *p;
	LIST_FOREACH (p, &s->posts, next)
		if (!p->over && carries(p, about))
			return p;
	return NULL;
}

static void tell_listener(struct session *s, const json_t *message)
{
	char *text = rpc_text(message);
	http_events_send(s->events, LISTENER, s->listener, text);
	free(text);
}

static void send_to_client(void *arg, const json_t *about, json_t *message)
{
	struct session *s = arg;
	struct post *p = about ? find_post(s, about) : NULL;
	if (p != NULL) {
		post_send(p, message);
		return;
	}
	if (about == NULL)
		tell_listener(s, message);
	json_decref(message); /* of anything else nobody waits for the answer */
}

static void end_listener(struct session *s)
{
	if (s->listener != NULL)
		http_stream_end(s->listener);
	s->listener = NULL;
}

static void on_listener_gone(void *arg)
{
	end_listener(arg);
}

static void free_session(struct session *s)
{
	LIST_REMOVE(s, next);
	rpc_free(&s->rpc);
	end_listener(s);
	post_free_all(&s->posts);
	http_events_free(&s->events);
	free(s);
}

/* Nobody is connected. A client whose stream broke may come back to it, but not for ever. */
static bool is_idle(const struct session *s)
{
	const struct post *p;
	LIST_FOREACH (p, &s->posts, next)
		if (post_is_connected(p))
			return false;
	return s->listener == NULL;
}

unsigned http_sessions_sweep(struct http_sessions *all)
{
	OBJ_CHECK(all, SESSIONS_MAGIC);
	unsigned left = 0;
	struct session *s, *following;
	for (s = LIST_FIRST(&all->list); s != NULL; s = following) {
		following = LIST_NEXT(s, next);
		if (is_idle(s) && mono_now().us - s->used.us > IDLE_S * INT64_C(1000000))
			free_session(s);
		else
			left++;
	}
	return left;
}

static struct session *new_session(struct http_sessions *all)
{
	struct session *s, *oldest = NULL;
	unsigned count = 0;
	LIST_FOREACH (s, &all->list, next) {
		count++;
		if (is_idle(s) && (oldest == NULL || s->used.us < oldest->used.us))
			oldest = s;
	}
	if (count >= SESSIONS_MAX && oldest == NULL)
		return NULL;
	if (count >= SESSIONS_MAX)
		free_session(oldest);
	s = xcalloc(1, sizeof *s);
	s->mcpd = all->mcpd;
	secret_make(s->id, ID_LEN);
	LIST_INIT(&s->posts);
	s->events = http_events_new();
	s->used = mono_now();
	s->rpc = rpc_new(all->mcpd, send_to_client, s);
	LIST_INSERT_HEAD(&all->list, s, next);
	return s;
}

/* The session that the request names; NULL: answered. */
static struct session *session_of(struct http_sessions *all, struct http_request *r, const json_t *id)
{
	const char *name = http_header(r, "Mcp-Session-Id"),
		   *version = http_header(r, "MCP-Protocol-Version");
	struct session *s;
	if (version != NULL && !discover_is_legacy(version)) {
		post_refuse(r, 400, id, RPC_INVALID_REQUEST, "Unsupported MCP-Protocol-Version",
			    json_build("{s:s}", "requested", version));
		return NULL;
	}
	if (name == NULL) {
		post_refuse(r, 400, id, RPC_INVALID_REQUEST,
			    "Mcp-Session-Id is missing: send initialize first, or a request of 2026-07-28",
			    NULL);
		return NULL;
	}
	LIST_FOREACH (s, &all->list, next)
		if (secret_equal(s->id, name)) {
			s->used = mono_now();
			return s;
		}
	post_refuse(r, 404, id, RPC_NO_SESSION, "Session not found: send initialize again", NULL);
	return NULL;
}

static struct post *new_post(struct session *s, struct http_request *r, const json_t *about)
{
	struct post *p = post_new(&s->posts, s->mcpd->base, r, about);
	p->events = s->events;
	p->stream = ++s->streams;
	return p;
}

/* Whether the client takes an event without data; older ones would read it as a message. */
static bool takes_beginning(struct http_request *r)
{
	const char *version = http_header(r, "MCP-Protocol-Version");
	return version != NULL && strcmp(version, "2025-11-25") >= 0;
}

static void on_initialize(struct http_sessions *all, struct http_request *r, json_t *message)
{
	json_t *id = json_object_get(message, "id");
	if (!rpc_is_id(id)) {
		post_refuse(r, 400, id, RPC_INVALID_REQUEST, RPC_BAD_ID, NULL);
		return;
	}
	struct session *s = new_session(all);
	if (s == NULL) {
		http_reply_error(r, 503, "sessions", "Too many MCP clients are connected.");
		return;
	}
	new_post(s, r, id);
	char line[64];
	snprintf(line, sizeof line, "Mcp-Session-Id: %s", s->id);
	http_header_add(r, line);
	rpc_take(s->rpc, message);
}

static void listen_on(struct session *s, struct http_request *r, const struct http_event_id *after)
{
	end_listener(s); /* the client has come again: it has lost the one before */
	s->listener = r;
	http_stream_begin(r, NULL);
	http_on_gone(r, on_listener_gone, s);
	if (after != NULL)
		http_events_replay(s->events, *after, r);
	else if (takes_beginning(r))
		http_events_begin(s->events, LISTENER, r);
}

/* The client comes back to the stream of a request, which may be answered by now. */
static void resume(struct session *s, struct http_request *r, struct http_event_id after)
{
	struct post *p;
	LIST_FOREACH (p, &s->posts, next)
		if (p->stream == after.stream && post_is_resumable(p)) {
			post_resume(p, r, after);
			return;
		}
	if (!http_events_missed(s->events, after) && after.stream <= s->streams) {
		/* It is over. HTML, Server-sent events: 204 tells a client not to connect again. */
		http_reply(r, 204, NULL, NULL, 0, NULL);
		return;
	}
	if (!http_events_missed(s->events, after)) {
		post_refuse(r, 400, NULL, RPC_INVALID_REQUEST,
			    "Nothing came on this stream after Last-Event-ID", NULL);
		return;
	}
	http_stream_begin(r, NULL);
	http_events_replay(s->events, after, r);
	http_stream_end(r);
}

void http_sessions_get(struct http_sessions *all, struct http_request *r)
{
	OBJ_CHECK(all, SESSIONS_MAGIC);
	struct session *s = session_of(all, r, NULL);
	const char *last = http_header(r, "Last-Event-ID");
	struct http_event_id after;
	if (s == NULL)
		return;
	if (!headers_accept(r, "text/event-stream"))
		http_reply_error(r, 406, "accept", "A stream of events is what GET answers.");
	else if (last == NULL)
		listen_on(s, r, NULL);
	else if (!headers_event_id(last, &after))
		post_refuse(r, 400, NULL, RPC_INVALID_REQUEST, "Last-Event-ID is no id of this server", NULL);
	else if (after.stream == LISTENER)
		listen_on(s, r, &after);
	else
		resume(s, r, after);
}

void http_sessions_post(struct http_sessions *all, struct http_request *r, json_t *message)
{
	OBJ_CHECK(all, SESSIONS_MAGIC);
	json_t *id = json_object_get(message, "id"), *method = json_object_get(message, "method");
	if (id != NULL && json_is_string(method) && strcmp(json_string_value(method), "initialize") == 0) {
		on_initialize(all, r, message);
		return;
	}
	struct session *s = session_of(all, r, id);
	if (s == NULL)
		return;
	const char *fault = json_is_array(message) ? rpc_batch_fault(s->rpc, message) : NULL;
	if (fault != NULL) {
		post_refuse(r, 400, NULL, RPC_INVALID_REQUEST, fault, NULL);
	} else if (!rpc_wants_answer(message)) {
		rpc_take(s->rpc, message);
		http_reply(r, 202, NULL, NULL, 0, NULL);
	} else if (json_is_object(message) && (!rpc_is_id(id) || find_post(s, id) != NULL)) {
		post_refuse(r, 400, id, RPC_INVALID_REQUEST, RPC_BAD_ID " that no request in work has", NULL);
	} else {
		struct post *p = new_post(s, r, json_is_array(message) ? message : id);
		if (takes_beginning(r) && headers_accept(r, "text/event-stream"))
			post_begin_soon(p);
		rpc_take(s->rpc, message);
	}
}

void http_sessions_delete(struct http_sessions *all, struct http_request *r)
{
	OBJ_CHECK(all, SESSIONS_MAGIC);
	struct session *s = session_of(all, r, NULL);
	if (s == NULL)
		return;
	free_session(s);
	http_reply(r, 204, NULL, NULL, 0, NULL);
}

unsigned http_sessions_count(const struct http_sessions *all)
{
	OBJ_CHECK(all, SESSIONS_MAGIC);
	unsigned count = 0;
	const struct session *s;
	LIST_FOREACH (s, &all->list, next)
		count++;
	return count;
}

struct http_sessions *http_sessions_new(struct mcpd *mcpd)
{
	struct http_sessions *all;
	OBJ_ALLOC(all, SESSIONS_MAGIC);
	all->mcpd = mcpd;
	LIST_INIT(&all->list);
	return all;
}

void http_sessions_free(struct http_sessions **aa)
{
	struct http_sessions *all = *aa;
	OBJ_CHECK(all, SESSIONS_MAGIC);
	while (!LIST_EMPTY(&all->list))
		free_session(LIST_FIRST(&all->list));
	OBJ_FREE(all);
	*aa = NULL;
}
