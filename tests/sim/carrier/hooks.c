/* Webhooks as Twilio sends them: signed, retried as the URL's fragment says. */
#include "tests/sim/carrier/carrier.h"

#include "lib/base/base64.h"
#include "tests/sim/common/report.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_S = 15, RETRY_MS = 100 };

struct hook {
	char *url, *fragment, *body;
	char signature[32];
	struct evhttp_uri *uri;
	struct evhttp_connection *connection;
	struct event *retry;
	int retries_left;
	hook_fn *fn;
	void *arg;
	char *first; /* of a repeat: how the first was answered; NULL for a first */
};

static int by_key(const void *a, const void *b)
{
	return strcmp((*(struct evkeyval *const *)a)->key, (*(struct evkeyval *const *)b)->key);
}

void hook_sign(const char *url, struct evkeyvalq *params, char out[32])
{
	struct evkeyval *list[256], *p;
	size_t count = 0;
	struct evbuffer *text = evbuffer_new();
	evbuffer_add_printf(text, "%s", url);
	if (params != NULL)
		TAILQ_FOREACH (p, params, next)
			list[count++] = p;
	qsort(list, count, sizeof *list, by_key);
	for (size_t i = 0; i < count; i++)
		evbuffer_add_printf(text, "%s%s", list[i]->key, list[i]->value);
	unsigned char digest[64];
	unsigned len;
	HMAC(EVP_sha1(), carrier.auth_token, (int)strlen(carrier.auth_token), evbuffer_pullup(text, -1),
	     evbuffer_get_length(text), digest, &len);
	out[base64_encode(digest, len, out)] = '\0';
	evbuffer_free(text);
}

static void attempt(struct hook *h);

static void finish(struct hook *h, int status, const char *type, const char *body)
{
	h->fn(h->arg, status, type, body);
	free(h->url);
	free(h->fragment);
	free(h->body);
	free(h->first);
	evhttp_uri_free(h->uri);
	if (h->retry != NULL)
		event_free(h->retry);
	free(h);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct hook *h = arg;
	attempt(h);
}

static void ignore(void *arg, int status, const char *type, const char *body)
{
	(void)arg;
	(void)status;
	(void)type;
	(void)body;
}

static void repeat(const struct hook *h, const char *body)
{
	struct hook *again = calloc(1, sizeof *again);
	*again = (struct hook){.url = strdup(h->url), .body = strdup(h->body), .uri = evhttp_uri_parse(h->url), .fn = ignore, .first = strdup(body)};
	memcpy(again->signature, h->signature, sizeof again->signature);
	report("hook-repeat", json_pack("{s:s}", "url", h->url));
	attempt(again);
}

static void on_answer(struct evhttp_request *r, void *arg)
{
	struct hook *h = arg;
	int status = r ? evhttp_request_get_response_code(r) : 0;
	bool all = h->fragment && strstr(h->fragment, "rp=all");
	if ((status == 0 || (all && status >= 400)) && h->retries_left-- > 0) {
		int ms = (int)int_of(carrier.scenario, "hook_retry_ms", RETRY_MS);
		struct timeval delay = {ms / 1000, ms % 1000 * 1000};
		if (h->retry == NULL)
			h->retry = evtimer_new(carrier.base, on_retry, h);
		evtimer_add(h->retry, &delay);
		return;
	}
	if (status == 0) {
		report("hook-failed", json_pack("{s:s}", "url", h->url));
		finish(h, 0, NULL, NULL);
		return;
	}
	struct evbuffer *in = evhttp_request_get_input_buffer(r);
	size_t len = evbuffer_get_length(in);
	char *body = calloc(1, len + 1);
	evbuffer_copyout(in, body, len);
	const char *type = evhttp_find_header(evhttp_request_get_input_headers(r), "Content-Type");
	if (status >= 400)
		report("hook-refused",
		       json_pack("{s:s, s:i, s:s}", "url", h->url, "status", status, "body", body));
	if (len > 64 * 1024)
		violation(h->url, "an answer over 64 kB");
	/* Twilio asks again when its own side lost the answer: `hook_repeat` says how many of a hundred. */
	if (h->first != NULL && status < 400 && strcmp(h->first, body) != 0)
		report("hook-repeat-differs", json_pack("{s:s, s:s, s:s}", "url", h->url, "first", h->first, "again", body));
	else if (h->first == NULL && status < 400 && rand() % 100 < int_of(carrier.scenario, "hook_repeat", 0))
		repeat(h, body);
	finish(h, status, type, body);
	free(body);
}

static void attempt(struct hook *h)
{
	const char *host = evhttp_uri_get_host(h->uri);
	int port = evhttp_uri_get_port(h->uri) > 0 ? evhttp_uri_get_port(h->uri) : 80;
	char target[4200], host_port[300];
	const char *query = evhttp_uri_get_query(h->uri);
	snprintf(target, sizeof target, "%s%s%s", evhttp_uri_get_path(h->uri), query ? "?" : "",
		 query ? query : "");
	snprintf(host_port, sizeof host_port, "%s:%d", host, port);
	h->connection = evhttp_connection_base_new(carrier.base, NULL, host, (uint16_t)port);
	evhttp_connection_set_timeout(h->connection, TIMEOUT_S);
	struct evhttp_request *r = evhttp_request_new(on_answer, h);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(r);
	evhttp_add_header(headers, "Host", host_port);
	evhttp_add_header(headers, "Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");
	evhttp_add_header(headers, "User-Agent", "TwilioProxy/1.1");
	evhttp_add_header(headers, "X-Twilio-Signature", h->signature);
	evhttp_add_header(headers, "Connection", "close");
	evbuffer_add(evhttp_request_get_output_buffer(r), h->body, strlen(h->body));
	evhttp_connection_free_on_completion(h->connection);
	evhttp_make_request(h->connection, r, EVHTTP_REQ_POST, target);
}

void hook_post(const char *url, struct evkeyvalq *params, hook_fn *fn, void *arg)
{
	struct hook *h = calloc(1, sizeof *h);
	size_t len = strcspn(url, "#");
	h->url = strndup(url, len);
	h->fragment = url[len] ? strdup(url + len + 1) : NULL;
	const char *rc = h->fragment ? strstr(h->fragment, "rc=") : NULL;
	h->retries_left = rc ? atoi(rc + 3) : 1;
	h->uri = evhttp_uri_parse(h->url);
	h->fn = fn;
	h->arg = arg;
	hook_sign(h->url, params, h->signature);
	struct evbuffer *body = evbuffer_new();
	struct evkeyval *p;
	TAILQ_FOREACH (p, params, next) {
		char *key = evhttp_uriencode(p->key, -1, 0), *value = evhttp_uriencode(p->value, -1, 1);
		evbuffer_add_printf(body, "%s%s=%s", evbuffer_get_length(body) ? "&" : "", key, value);
		free(key);
		free(value);
	}
	h->body = calloc(1, evbuffer_get_length(body) + 1);
	evbuffer_copyout(body, h->body, evbuffer_get_length(body));
	evbuffer_free(body);
	if (h->uri == NULL || evhttp_uri_get_host(h->uri) == NULL) {
		violation("hook", "no URL: %s", url);
		exit(1);
	}
	attempt(h);
}
