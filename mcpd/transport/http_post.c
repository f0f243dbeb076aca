#include "mcpd/transport/http_post.h"

#include "lib/base/json_build.h"
#include "lib/base/panic.h"

#include <stdlib.h>
#include <string.h>

enum { JSON_MS = 500 }; /* what takes longer is no longer one JSON object */

void post_refuse(struct http_request *r, unsigned status, const json_t *id, int code, const char *message,
		 json_t *data)
{
	json_t *error = json_build("{s:i, s:s}", "code", code, "message", message);
	if (data != NULL)
		json_object_set_new(error, "data", data);
	json_t *answer = json_build("{s:s, s:o}", "jsonrpc", "2.0", "error", error);
	if (json_is_string(id) || json_is_number(id))
		json_object_set(answer, "id", (json_t *)id);
	char *text = rpc_text(answer);
	http_reply(r, status, "application/json", text, strlen(text), NULL);
	free(text);
	json_decref(answer);
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
	timer_stop(&p->begin);
	timer_stop(&p->end);
	rpc_free(&p->rpc);
	json_decref(p->about);
	free(p);
}

/* It is freed from the loop: its request may be in the middle of its end. */
static void end_post(struct post *p)
{
	p->request = NULL;
	p->over = true;
	timer_stop(&p->begin);
	timer_start(&p->end, p->base, 0, free_post, p);
}

static void close_request(struct post *p)
{
	if (http_is_stream(p->request))
		http_stream_end(p->request);
	else
		http_reply_error(p->request, 503, "gone", "Nobody waits for this.");
	p->request = NULL;
}

/*
 * Who asked has gone. In the current era that ends the request; in the older one
 * it goes on, and who knows its stream may come back to it.
 */
static void on_gone(void *arg)
{
	struct post *p = arg;
	bool may_return = post_is_resumable(p);
	close_request(p);
	if (!may_return)
		end_post(p);
}

static void send_event(struct post *p, json_t *message)
{
	char *text = rpc_text(message);
	if (p->events != NULL)
		http_events_send(p->events, p->stream, p->request, text);
	else
		http_stream_event(p->request, NULL, "message", text);
	free(text);
}

/* The answer is the last event, or the only thing that is sent. */
static void send_answer(struct post *p, json_t *message)
{
	if (p->request == NULL || http_is_stream(p->request)) {
		send_event(p, message);
		if (p->request != NULL)
			http_stream_end(p->request);
	} else {
		char *text = rpc_text(message);
		http_reply(p->request, status_of(p, message), "application/json", text, strlen(text), NULL);
		free(text);
	}
	end_post(p);
}

static void send_nothing(struct post *p)
{
	if (p->request != NULL && !http_is_stream(p->request))
		http_stream_begin(p->request, NULL);
	if (p->request != NULL)
		http_stream_end(p->request);
	end_post(p);
}

static void send_notice(struct post *p, json_t *message)
{
	if (p->request != NULL && !http_is_stream(p->request))
		http_stream_begin(p->request, NULL);
	send_event(p, message);
}

void post_send(struct post *p, json_t *message)
{
	if (p->over)
		;
	else if (message == NULL)
		send_nothing(p);
	else if (json_object_get(message, "method") == NULL)
		send_answer(p, message);
	else
		send_notice(p, message);
	json_decref(message);
}

static void on_long(void *arg)
{
	struct post *p = arg;
	if (p->request == NULL || http_is_stream(p->request))
		return;
	http_stream_begin(p->request, NULL);
	http_events_begin(p->events, p->stream, p->request);
}

void post_begin_soon(struct post *p)
{
	timer_start(&p->begin, p->base, JSON_MS, on_long, p);
}

bool post_is_connected(const struct post *p)
{
	return p->request != NULL;
}

bool post_is_resumable(const struct post *p)
{
	return p->events != NULL && !p->over && (p->request == NULL || http_is_stream(p->request));
}

void post_resume(struct post *p, struct http_request *r, struct http_event_id after)
{
	if (p->request != NULL)
		close_request(p); /* the client knows before us that it is broken */
	p->request = r;
	http_stream_begin(r, NULL);
	http_on_gone(r, on_gone, p);
	http_events_replay(p->events, after, r);
}

struct post *post_new(struct post_list *list, struct event_base *base, struct http_request *r,
		      const json_t *about)
{
	struct post *p = xcalloc(1, sizeof *p);
	p->base = base;
	p->request = r;
	p->about = json_incref((json_t *)about);
	LIST_INSERT_HEAD(list, p, next);
	http_on_gone(r, on_gone, p);
	return p;
}

void post_free_all(struct post_list *list)
{
	struct post *p;
	while ((p = LIST_FIRST(list)) != NULL) {
		if (p->request != NULL)
			close_request(p);
		free_post(p);
	}
}
