#include "lib/http/client.h"

#include "lib/base/buffer.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/loop/loop.h"

#include <curl/curl.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/queue.h>

#define CLIENT_MAGIC 0x68636c69u

enum {
	BODY_MAX = 4 * 1024 * 1024,
	TIMEOUT_MS = 30000,
	CONNECT_TIMEOUT_MS = 10000,
	TRIES = 3,
	BACKOFF_FIRST_MS = 100, /* doubled each time, with full jitter, as Twilio's helper does */
	BACKOFF_MAX_MS = 3000,
	RETRY_AFTER_MAX_S = 10, /* a request that waits longer is told to its owner */
	RETRY_AFTER_SANE_S = 3600,
	KEPT_CONNECTIONS = 8,
};

struct transfer {
	LIST_ENTRY(transfer) next;
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	struct buffer body;
	char fault[CURL_ERROR_SIZE];
	struct timer retry;
	unsigned tries_left, tried;
	enum http_repeat repeat;
	http_answer_fn *fn;
	void *arg;
};

struct http_client {
	unsigned magic;
	struct event_base *base;
	CURLM *multi;
	char *ca_file;
	struct timer timeout;
	LIST_HEAD(, transfer) transfers;
};

static void check_done(struct http_client *c);

static void act(struct http_client *c, curl_socket_t fd, int what)
{
	int running;
	curl_multi_socket_action(c->multi, fd, what, &running);
	check_done(c);
}

static void on_timeout(void *arg)
{
	act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_wanted(CURLM *multi, long ms, void *arg)
{
	(void)multi;
	struct http_client *c = arg;
	if (ms < 0)
		timer_stop(&c->timeout);
	else
		timer_start(&c->timeout, c->base, (int)ms, on_timeout, c);
	return 0;
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	act(arg, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *event_arg)
{
	(void)easy;
	struct http_client *c = arg;
	struct event *event = event_arg;
	if (event != NULL)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		short wanted = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
				       (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);
		event = event_new(c->base, fd, wanted, on_socket, c);
		event_add(event, NULL);
	}
	curl_multi_assign(c->multi, fd, event);
	return 0;
}

struct http_client *http_client_new(struct event_base *base, const char *ca_file)
{
	struct http_client *c;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		panic("libcurl does not start");
	OBJ_ALLOC(c, CLIENT_MAGIC);
	c->base = base;
	c->ca_file = xstrdup(ca_file);
	LIST_INIT(&c->transfers);
	c->multi = curl_multi_init();
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
	return c;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	return buffer_append(&t->body, data, size * count) ? size * count : 0;
}

static void prepare(struct transfer *t, const struct http_ask *ask)
{
	CURL *e = t->easy;
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_URL, ask->url);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
	if (ask->redirects > 0) {
		curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
		curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)ask->redirects);
		curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR,
				 strncmp(ask->url, "https:", 6) == 0 ? "https" : "http,https");
	}
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(ask->timeout_ms ? ask->timeout_ms : TIMEOUT_MS));
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "phony/1");
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->fault);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	/*
	 * On a kept connection that dies before an answer libcurl sends the request
	 * again by itself, a POST too: what must happen once gets its own connection.
	 */
	if (ask->repeat == HTTP_ONCE_AT_MOST) {
		curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
	}
	if (t->client->ca_file[0] != '\0')
		curl_easy_setopt(e, CURLOPT_CAINFO, t->client->ca_file);
	if (ask->user != NULL) {
		curl_easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(e, CURLOPT_USERNAME, ask->user);
		curl_easy_setopt(e, CURLOPT_PASSWORD, ask->password);
	}
	if (ask->body != NULL) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)ask->body_len);
		curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS, ask->body);
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, ask->method);
	if (ask->header != NULL)
		t->headers = curl_slist_append(NULL, ask->header);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
}

void http_client_ask(struct http_client *c, const struct http_ask *ask, http_answer_fn *fn, void *arg)
{
	OBJ_CHECK(c, CLIENT_MAGIC);
	struct transfer *t = xcalloc(1, sizeof *t);
	t->client = c;
	t->fn = fn;
	t->arg = arg;
	t->repeat = ask->repeat;
	t->tries_left = ask->tries ? ask->tries : TRIES;
	t->body.max = ask->body_max ? ask->body_max : BODY_MAX;
	t->easy = curl_easy_init();
	if (t->easy == NULL)
		panic("libcurl has no handle to give");
	prepare(t, ask);
	LIST_INSERT_HEAD(&c->transfers, t, next);
	curl_multi_add_handle(c->multi, t->easy);
}

static long long date_of(CURL *easy)
{
	struct curl_header *date;
	if (curl_easy_header(easy, "date", 0, CURLH_HEADER, -1, &date) != CURLHE_OK)
		return 0;
	time_t when = curl_getdate(date->value, NULL);
	return when > 0 ? when : 0;
}

static void finish(struct transfer *t, enum http_outcome outcome, long status)
{
	/* The terminator is not part of what body_max limits. */
	t->body.max = 0;
	buffer_append(&t->body, "", 1);
	curl_off_t retry_after = 0;
	const char *content_type = NULL;
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &content_type);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after);
	struct http_answer answer = {.outcome = outcome,
				     .status = status,
				     .body = (char *)t->body.data,
				     .body_len = t->body.len - 1,
				     .content_type = content_type ? content_type : "",
				     .fault = t->fault,
				     .retry_after_s = retry_after < 0                    ? 0
						      : retry_after > RETRY_AFTER_SANE_S ? RETRY_AFTER_SANE_S
											 : (long)retry_after,
				     .date_s = date_of(t->easy)};
	LIST_REMOVE(t, next);
	t->fn(t->arg, &answer);
	timer_stop(&t->retry);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	buffer_free(&t->body);
	free(t);
}

static void on_retry(void *arg)
{
	struct transfer *t = arg;
	t->body.len = 0;
	t->fault[0] = '\0';
	curl_multi_add_handle(t->client->multi, t->easy);
}

static int backoff_ms(struct transfer *t)
{
	curl_off_t retry_after = 0;
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after > 0 && retry_after <= RETRY_AFTER_MAX_S)
		return (int)retry_after * 1000;
	unsigned most = BACKOFF_FIRST_MS << (t->tried < 6 ? t->tried : 6), random = 0;
	if (most > BACKOFF_MAX_MS)
		most = BACKOFF_MAX_MS;
	RAND_bytes((unsigned char *)&random, sizeof random);
	return (int)(random % most) + 1;
}

/* Whether libcurl's failure came before a byte of the request can have arrived. */
static bool never_sent(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
	       code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
	       code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
	       code == CURLE_SSL_CACERT_BADFILE;
}

static void on_done(struct transfer *t, CURLcode code)
{
	long status = 0;
	curl_off_t connect_us = 0;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &connect_us);
	enum http_outcome outcome = HTTP_ANSWERED;
	if (code != CURLE_OK) {
		bool unsent = never_sent(code) || (code == CURLE_OPERATION_TIMEDOUT && connect_us == 0);
		outcome = unsent ? HTTP_NOT_SENT : HTTP_AMBIGUOUS;
		if (t->fault[0] == '\0')
			text_printf(t->fault, sizeof t->fault, "%s", curl_easy_strerror(code));
	}
	bool again = outcome == HTTP_NOT_SENT || status == 429 ||
		     (t->repeat == HTTP_REPEATABLE && (outcome == HTTP_AMBIGUOUS || status >= 500));
	curl_multi_remove_handle(t->client->multi, t->easy);
	if (again && --t->tries_left > 0) {
		int delay = backoff_ms(t);
		t->tried++;
		timer_start(&t->retry, t->client->base, delay, on_retry, t);
	} else {
		finish(t, outcome, status);
	}
}

static void check_done(struct http_client *c)
{
	CURLMsg *message;
	int left;
	while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct transfer *t;
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		on_done(t, code);
	}
}

bool http_client_cancel(struct http_client *c)
{
	OBJ_CHECK(c, CLIENT_MAGIC);
	struct transfer *t;
	bool any = false;
	while ((t = LIST_FIRST(&c->transfers)) != NULL) {
		curl_multi_remove_handle(c->multi, t->easy);
		text_printf(t->fault, sizeof t->fault, "phony is shutting down");
		finish(t, HTTP_AMBIGUOUS, 0);
		any = true;
	}
	return any;
}

void http_client_free(struct http_client **cc)
{
	struct http_client *c = *cc;
	if (c == NULL)
		return;
	http_client_cancel(c);
	curl_multi_cleanup(c->multi);
	timer_stop(&c->timeout);
	free(c->ca_file);
	OBJ_FREE(c);
	curl_global_cleanup();
	*cc = NULL;
}
