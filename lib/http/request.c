#include "lib/base/json_build.h"
#include "lib/http/server_inside.h"

#include "lib/http/client_address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

void http_request_free(struct http_request *r)
{
	if (r->stream != NULL) {
		timer_stop(&r->stream->comment);
		buffer_free(&r->stream->out);
		free(r->stream);
	}
	buffer_free(&r->body);
	for (unsigned i = 0; i < r->header_count; i++)
		free(r->headers[i]);
	free(r->target);
	free(r->path);
	OBJ_FREE(r);
}

void http_request_unwatch(struct http_request *r)
{
	if (r->closed != NULL)
		event_free(r->closed);
	r->closed = NULL;
	r->gone = NULL;
}

void http_request_tell_gone(struct http_request *r)
{
	http_gone_fn *fn = r->gone;
	http_request_unwatch(r);
	if (fn != NULL)
		fn(r->gone_arg);
}

const char *http_method(const struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return r->method;
}

const char *http_target(const struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return r->target;
}

const char *http_path(const struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return r->path;
}

const char *http_query(const struct http_request *r)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	const char *mark = strchr(r->target, '?');
	return mark ? mark + 1 : "";
}

const char *http_body(const struct http_request *r, size_t *len)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	*len = r->body.len;
	return r->body.data ? (const char *)r->body.data : "";
}

const char *http_header(const struct http_request *r, const char *name)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

bool http_is_json(const struct http_request *r)
{
	static const char json[] = "application/json";
	const char *type = http_header(r, "Content-Type");
	size_t len = sizeof json - 1;
	return type != NULL && strncasecmp(type, json, len) == 0 &&
	       (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

static const struct sockaddr *peer_of(const struct http_request *r)
{
	return MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
}

struct joined {
	const char *name;
	struct buffer value;
};

static enum MHD_Result join_line(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct joined *j = arg;
	(void)kind;
	if (strcasecmp(name, j->name) != 0)
		return MHD_YES;
	if (j->value.len > 0)
		buffer_append_text(&j->value, ", ");
	buffer_append_text(&j->value, value ? value : "");
	return MHD_YES;
}

char *http_header_list(const struct http_request *r, const char *name)
{
	struct joined j = {.name = name};
	OBJ_CHECK(r, REQUEST_MAGIC);
	MHD_get_connection_values(r->connection, MHD_HEADER_KIND, join_line, &j);
	if (j.value.data != NULL)
		buffer_append(&j.value, "", 1);
	return (char *)j.value.data;
}

static void find_source(const struct http_request *r, char out[SOURCE_SIZE])
{
	char *forwarded = http_header_list(r, "X-Forwarded-For");
	source_find(peer_of(r), forwarded, r->server->trusted, out);
	free(forwarded);
}

bool http_from_loopback(const struct http_request *r)
{
	char source[SOURCE_SIZE];
	OBJ_CHECK(r, REQUEST_MAGIC);
	find_source(r, source);
	/* What came by a proxy came from elsewhere, whether or not that proxy is trusted to say from where.
	 */
	bool proxied = http_header(r, "X-Forwarded-For") != NULL || http_header(r, "Forwarded") != NULL ||
		       http_header(r, "Via") != NULL || http_header(r, "X-Real-IP") != NULL;
	return !proxied && source_is_loopback(source);
}

bool http_is_tls(const struct http_request *r)
{
	char peer[SOURCE_SIZE], source[SOURCE_SIZE];
	OBJ_CHECK(r, REQUEST_MAGIC);
	char *schemes = http_header_list(r, "X-Forwarded-Proto");
	/* The last word is that of the proxy next to us. */
	const char *comma = schemes ? strrchr(schemes, ',') : NULL;
	const char *scheme = comma ? comma + 1 + strspn(comma + 1, " ") : schemes;
	bool https = scheme != NULL && strcmp(scheme, "https") == 0;
	free(schemes);
	source_find(peer_of(r), NULL, "", peer);
	source_find(peer_of(r), "192.0.2.1", r->server->trusted,
		    source); /* changes only if the peer is trusted */
	return https && strcmp(peer, source) != 0;
}

bool http_cookie(const struct http_request *r, const char *name, char *out, size_t size)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	const char *value = MHD_lookup_connection_value(r->connection, MHD_COOKIE_KIND, name);
	return value != NULL && (size_t)snprintf(out, size, "%s", value) < size;
}

bool http_rate_take(struct http_request *r, unsigned cost)
{
	char source[SOURCE_SIZE];
	OBJ_CHECK(r, REQUEST_MAGIC);
	find_source(r, source);
	return r->server->rate == NULL || http_from_loopback(r) ||
	       rate_take(r->server->rate, source, cost, mono_now());
}

static void on_closed(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	http_request_tell_gone(arg);
}

void http_on_gone(struct http_request *r, http_gone_fn *fn, void *arg)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	http_request_unwatch(r);
	r->gone = fn;
	r->gone_arg = arg;
	if (fn == NULL || r->connection == NULL)
		return;
	/* MHD does not look at a connection that it has suspended. */
	int fd = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	r->closed = event_new(r->server->base, fd, EV_CLOSED, on_closed, r);
	if (r->closed == NULL || event_add(r->closed, NULL) != 0)
		panic("libevent refuses a connection");
}

static void add_header(struct MHD_Response *response, const char *line)
{
	char name[64];
	const char *colon = strchr(line, ':');
	size_t len = colon ? (size_t)(colon - line) : 0;
	if (len == 0 || len >= sizeof name)
		return;
	memcpy(name, line, len);
	name[len] = '\0';
	MHD_add_response_header(response, name, colon + 1 + strspn(colon + 1, " "));
}

/* What keeps a browser from making more of an answer than it is. */
static void add_safety(struct MHD_Response *response, const char *content_type)
{
	static const char page[] =
		"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
		"media-src 'self' blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; "
		"form-action 'self'; frame-ancestors 'none'";
	static const char data[] = "default-src 'none'; frame-ancestors 'none'";
	bool html = content_type != NULL && strncmp(content_type, "text/html", 9) == 0;
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "X-Frame-Options", "DENY");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	if (content_type != NULL) /* not on a 304: it would take the place of the page's own */
		MHD_add_response_header(response, "Content-Security-Policy", html ? page : data);
	if (content_type != NULL && strcmp(content_type, "application/json") == 0)
		MHD_add_response_header(response, "Cache-Control", "no-store");
}

void http_request_answer(struct http_request *r, unsigned status, const char *content_type, const char *extra)
{
	if (r->response == NULL)
		panic("out of memory for an answer");
	r->status = status;
	MHD_add_response_header(r->response, "Connection", "close");
	add_safety(r->response, content_type);
	if (content_type != NULL)
		MHD_add_response_header(r->response, "Content-Type", content_type);
	if (extra != NULL)
		add_header(r->response, extra);
	for (unsigned i = 0; i < r->header_count; i++)
		add_header(r->response, r->headers[i]);
	if (r->stream == NULL)
		http_request_unwatch(r);
	if (r->suspended) {
		r->suspended = false;
		MHD_resume_connection(r->connection);
		http_server_kick(r->server);
	}
}

void http_header_add(struct http_request *r, const char *line)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (r->header_count == HEADERS_MAX)
		panic("too many headers for an answer");
	r->headers[r->header_count++] = xstrdup(line);
}

void http_reply(struct http_request *r, unsigned status, const char *content_type, const char *body,
		size_t len, const char *extra)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (r->response != NULL)
		panic("a second answer to %s %s", r->method, r->path);
	r->response = MHD_create_response_from_buffer(len, (void *)(body ? body : ""), MHD_RESPMEM_MUST_COPY);
	http_request_answer(r, status, content_type, extra);
}

void http_reply_file(struct http_request *r, const char *content_type, int fd, size_t len)
{
	OBJ_CHECK(r, REQUEST_MAGIC);
	if (r->response != NULL)
		panic("a second answer to %s %s", r->method, r->path);
	r->response = MHD_create_response_from_fd(len, fd);
	http_request_answer(r, 200, content_type, NULL);
}

void http_reply_json(struct http_request *r, unsigned status, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);
	json_decref(value);
	if (text == NULL)
		panic("an answer that is no JSON");
	http_reply(r, status, "application/json", text, strlen(text), NULL);
	free(text);
}

void http_reply_error(struct http_request *r, unsigned status, const char *code, const char *message)
{
	json_t *value = json_build("{s:s, s:s, s:s}", "status", "error", "code", code, "message", message);
	char *body = json_dumps(value, JSON_COMPACT);
	json_decref(value);
	http_reply(r, status, "application/json", body, strlen(body),
		   status == 503   ? "Retry-After: 5"
		   : status == 401 ? "WWW-Authenticate: Bearer"
				   : NULL);
	free(body);
}
