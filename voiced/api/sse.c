#include "voiced/api/sse.h"

#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/secret.h"
#include "lib/http/auth.h"
#include "lib/http/json_api.h"
#include "lib/http/origin.h"
#include "voiced/frontend/handoff.h"
#include "voiced/shared/event_bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define LIVE_MAGIC 0x6c697665u

enum { KEPT = 1000, STREAMS_MAX = 100, EPOCH_LEN = 8, ID_SIZE = 40 };

struct watcher {
	LIST_ENTRY(watcher) next;
	struct live *live;
	struct http_request *request;
};

struct live {
	unsigned magic;
	struct voiced *v;
	struct listener *listener;
	LIST_HEAD(, watcher) watchers;
	unsigned count;
	char epoch[EPOCH_LEN + 1]; /* of this process: numbers of another mean nothing */
	uint64_t last;             /* the newest number; 0: none yet */
	json_t *kept[KEPT];        /* by number, the newest ones */
};

static void id_of(const struct live *l, uint64_t number, char out[ID_SIZE])
{
	snprintf(out, ID_SIZE, "%s-%llu", l->epoch, (unsigned long long)number);
}

static void forget(struct watcher *w)
{
	LIST_REMOVE(w, next);
	w->live->count--;
	http_stream_end(w->request);
	if (w->live->count == 0)
		handover_keep(w->live->v->to_smsd, false);
	free(w);
}

static void on_gone(void *arg)
{
	forget(arg);
}

static void send_item(const struct watcher *w, uint64_t number, const json_t *item)
{
	char id[ID_SIZE];
	const char *kind = json_string_value(json_object_get(item, "kind"));
	char *text = json_dumps(item, JSON_COMPACT);
	id_of(w->live, number, id);
	http_stream_event(w->request, id, kind ? kind : "news", text ? text : "{}");
	free(text);
}

static void on_news(void *arg, json_t *item)
{
	struct live *l = arg;
	struct watcher *w;
	json_t **slot = &l->kept[++l->last % KEPT];
	json_decref(*slot);
	*slot = json_incref(item);
	LIST_FOREACH (w, &l->watchers, next)
		send_item(w, l->last, item);
}

/* The number after which a watcher wants to hear; false: it cannot be told what it missed. */
static bool read_position(const struct live *l, const char *id, uint64_t *after)
{
	if (strncmp(id, l->epoch, EPOCH_LEN) != 0 || id[EPOCH_LEN] != '-')
		return false;
	const char *digits = id + EPOCH_LEN + 1;
	if (digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits) || strlen(digits) > 18)
		return false;
	*after = strtoull(digits, NULL, 10);
	return *after <= l->last && l->last - *after < KEPT;
}

static void watch(struct live *l, struct http_request *r)
{
	const char *id = http_header(r, "Last-Event-ID");
	char now[ID_SIZE];
	uint64_t after = l->last;
	struct watcher *w = xcalloc(1, sizeof *w);
	w->live = l;
	w->request = r;
	LIST_INSERT_HEAD(&l->watchers, w, next);
	l->count++;
	handover_keep(l->v->to_smsd, true);
	http_stream_begin(r, NULL);
	http_on_gone(r, on_gone, w);
	id_of(l, l->last, now);
	if (id == NULL)
		http_stream_event(r, now, "hello", "{}");
	else if (!read_position(l, id, &after))
		http_stream_event(r, now, "reset", "{}");
	for (uint64_t n = after + 1; n <= l->last; n++)
		send_item(w, n, l->kept[n % KEPT]);
}

bool live_serve(struct voiced *v, struct http_request *r)
{
	if (strcmp(http_path(r), "/api/events") != 0)
		return false;
	if (!http_method_is(r, "GET") || !origin_is_ours(r, v->config->public_url))
		return true;
	if (!auth_admit(r, v->config))
		return true;
	if (v->live->count >= STREAMS_MAX)
		http_reply_error(r, 503, "streams", "Too many event streams are open.");
	else
		watch(v->live, r);
	return true;
}

/* What smsd tells. */
static void on_smsd(void *arg, json_t *item)
{
	struct live *l = arg;
	news_tell(l->v, item);
}

struct live *live_new(struct voiced *v)
{
	struct live *l;
	OBJ_ALLOC(l, LIVE_MAGIC);
	l->v = v;
	LIST_INIT(&l->watchers);
	secret_make(l->epoch, EPOCH_LEN);
	l->listener = news_listen(v, on_news, l);
	handover_on_news(v->to_smsd, on_smsd, l);
	return l;
}

void live_free(struct live **ll)
{
	struct live *l = *ll;
	if (l == NULL)
		return;
	OBJ_CHECK(l, LIVE_MAGIC);
	handover_on_news(l->v->to_smsd, NULL, NULL);
	news_unlisten(&l->listener);
	while (!LIST_EMPTY(&l->watchers))
		forget(LIST_FIRST(&l->watchers));
	for (size_t i = 0; i < KEPT; i++)
		json_decref(l->kept[i]);
	OBJ_FREE(l);
	*ll = NULL;
}
