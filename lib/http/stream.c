#include "lib/http/server_inside.h"

#include <stdlib.h>
#include <string.h>

enum { COMMENT_MS = 15000, WAITING_MAX = 4 * 1024 * 1024 };

static void wake(struct http_request *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	MHD_resume_connection(r->connection);
	http_server_kick(r->server);
}

static ssize_t read_stream(void *arg, uint64_t position, char *out, size_t max)
{
	(void)position;
	struct http_request *r = arg;
	struct stream *s = r->stream;
	size_t len = s->out.len < max ? s->out.len : max;
	if (len == 0 && s->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (len == 0) {
		r->suspended = true;
		MHD_suspend_connection(r->connection);
		return 0;
	}
	memcpy(out, s->out.data, len);
	buffer_consume(&s->out, len);
	return (ssize_t)len;
}

static void on_comment(void *arg)
{
	struct http_request *r = arg;
	buffer_append_text(&r->stream->out, ":\n\n");
	wake(r);
	timer_start(&r->stream->comment, r->server->base, COMMENT_MS, on_comment, r);
}

void http_stream_begin(struct http_request *r, const char *extra)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (r->response != NULL || r->stream != NULL)
		panic("a second answer to %s %s", r->method, r->path);
	r->stream = xcalloc(1, sizeof *r->stream);
	r->stream->out.max = WAITING_MAX;
	buffer_append_text(&r->stream->out,
			   ":\n\n"); /* some proxies keep the header until something follows */
	r->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_stream, r, NULL);
	timer_start(&r->stream->comment, r->server->base, COMMENT_MS, on_comment, r);
	if (r->response == NULL)
		panic("out of memory for an answer");
	MHD_add_response_header(r->response, "Cache-Control", "no-cache");
	MHD_add_response_header(r->response, "X-Accel-Buffering", "no");
	http_request_answer(r, 200, "text/event-stream", extra);
}

bool http_is_stream(const struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return r->stream != NULL;
}

bool http_stream_event(struct http_request *r, const char *id, const char *name, const char *data)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	struct stream *s = r->stream;
	if (s->done)
		return false;
	char *text = xasprintf("%s%s%s%s%s%sdata: %s\n\n", id ? "id: " : "", id ? id : "", id ? "\n" : "",
			       name ? "event: " : "", name ? name : "", name ? "\n" : "", data);
	bool fits = buffer_append_text(&s->out, text);
	free(text);
	if (!fits) {
		/* It does not read: it may come again. Told from the loop, not from here. */
		if (r->closed != NULL)
			event_active(r->closed, EV_CLOSED, 0);
		return false;
	}
	wake(r);
	return true;
}

void http_stream_end(struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	http_request_unwatch(r);
	r->stream->ended = true;
	timer_stop(&r->stream->comment);
	if (r->stream->done)
		http_request_free(r);
	else
		wake(r);
}
