/* What the fuzzed modules call and the fuzzers do without: sockets and the daemons. */
#include "tests/fuzz/fuzz.h"

#include "callworker/net/websocket.h"
#include "lib/base/panic.h"
#include "lib/http/server.h"
#include "lib/loop/loop.h"
#include "mcpd/daemon_client.h"

#include <stdlib.h>

const struct ws_handler *fuzz_ws_handler;
void *fuzz_ws_arg;
static char scratch[1024 * 1024];

struct ws *ws_adopt(struct ws_loop *l, int fd, size_t max, const struct ws_handler *h, void *arg)
{
	(void)l;
	(void)fd;
	(void)max;
	fuzz_ws_handler = h;
	fuzz_ws_arg = arg;
	return (struct ws *)scratch;
}

struct ws *ws_connect(struct ws_loop *l, const char *url, int connection, const char *header, size_t max,
		      const struct ws_handler *h, void *arg)
{
	(void)url;
	(void)header;
	(void)connection;
	return ws_adopt(l, -1, max, h, arg);
}

bool ws_send_between(struct ws *w, const char *head, const char *body, size_t len, const char *tail,
		     struct mono_us born)
{
	(void)w;
	(void)head;
	(void)body;
	(void)len;
	(void)tail;
	(void)born;
	return true;
}

bool ws_send(struct ws *w, const char *text, size_t len)
{
	(void)w;
	(void)text;
	(void)len;
	return true;
}

void ws_close(struct ws *w, enum lws_close_status status, const char *reason)
{
	(void)w;
	(void)status;
	(void)reason;
}

void ws_break(struct ws *w, const char *why)
{
	(void)w;
	(void)why;
}

void ws_abandon(struct ws **w)
{
	*w = NULL;
}

unsigned ws_peer_close_code(const struct ws *w)
{
	(void)w;
	return 1000;
}

unsigned ws_http_status(const struct ws *w)
{
	(void)w;
	return 0;
}

int ws_fd(const struct ws *w)
{
	(void)w;
	return -1;
}

const struct latency *ws_delays(const struct ws *w)
{
	(void)w;
	return NULL;
}

void ws_timer_start(struct ws_loop *l, struct ws_timer *t, int ms, void (*fn)(void *), void *arg)
{
	(void)l;
	(void)t;
	(void)ms;
	(void)fn;
	(void)arg;
}

void ws_timer_stop(struct ws_loop *l, struct ws_timer *t)
{
	(void)l;
	(void)t;
}

void timer_start(struct timer *t, struct event_base *base, int ms, void (*fn)(void *), void *arg)
{
	(void)t;
	(void)base;
	(void)ms;
	(void)fn;
	(void)arg;
}

void timer_stop(struct timer *t)
{
	(void)t;
}

bool timer_running(const struct timer *t)
{
	(void)t;
	return false;
}

/* The daemons refuse half of it, and know one call. */
bool backend_confirms(struct backend *b)
{
	(void)b;
	return true;
}

void backend_subscribe(struct backend *b)
{
	(void)b;
}

/* The daemons' answers come when fuzz_backend_answer says so, as from a loop. */
static struct fuzz_query {
	struct fuzz_query *next;
	peer_answer_fn *fn;
	void *arg;
} * queries;

void backend_ask(struct backend *b, enum message type, json_t *args, peer_answer_fn *fn, void *arg)
{
	struct fuzz_query *query = xcalloc(1, sizeof *query);
	(void)b;
	(void)type;
	json_decref(args);
	*query = (struct fuzz_query){queries, fn, arg};
	queries = query;
}

void fuzz_backend_answer(void)
{
	static const char call[] =
		"{\"status\":\"in-progress\",\"message\":\"m\",\"callSid\":\"CA1\",\"isLive\":true,"
		"\"operatorQuestion\":{\"question\":\"Which day?\"},\"calls\":[{\"callSid\":\"CA1\"}],"
		"\"data\":{\"callSid\":\"CA1\",\"operatorQuestion\":{\"question\":\"Which day?\"}}}";
	static unsigned count;
	struct peer_error error = {"not_found", "nothing is here", 404};
	struct fuzz_query *query, *list = queries;
	json_t *reply = json_loads(call, 0, NULL);
	queries = NULL;
	while ((query = list) != NULL) {
		list = query->next;
		if (count++ % 2)
			query->fn(query->arg, reply, NULL);
		else
			query->fn(query->arg, NULL, &error);
		free(query);
	}
	json_decref(reply);
}

void backend_on_news(struct backend *b, backend_news_fn *fn, void *arg)
{
	(void)b;
	(void)fn;
	(void)arg;
}

void backend_free(struct backend **b)
{
	*b = NULL;
}

/* The headers of a request: one value for all of them. */
const char *fuzz_header;

const char *http_header(const struct http_request *r, const char *name)
{
	(void)r;
	(void)name;
	return fuzz_header;
}
