#include "voiced/frontend/handoff.h"

#include "lib/base/fd.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/daemon/peer_link.h"
#include "lib/loop/loop.h"
#include "voiced/frontend/accept.h"

#include <errno.h>
#include <string.h>

#define HANDOVER_MAGIC 0x68616e64u

enum { ASK_TIMEOUT_MS = 20000, RETRY_MS = 200 };

struct handover {
	unsigned magic;
	struct event_base *base;
	unsigned role;
	char *socket;
	struct link *link; /* NULL: not connected */
	handover_news_fn *news;
	void *news_arg;
	bool keep;
	struct timer retry;
};

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	struct handover *h = arg;
	fd_close(&fd);
	if (f->type == MSG_NEWS) {
		if (h->news != NULL)
			h->news(h->news_arg, f->body);
		return;
	}
	log_warn("%s says %s where nothing is expected", role_name(peer_role(p)), message_name(f->type));
}

static void on_retry(void *arg);

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	struct handover *h = arg;
	log_debug("%s has gone away: %s", role_name(h->role), why);
	link_free(&h->link);
	if (h->keep)
		timer_start(&h->retry, h->base, RETRY_MS, on_retry, h);
}

static const struct peer_handler events = {NULL, on_message, on_gone, NULL};

struct handover *handover_new(struct event_base *base, unsigned role, const char *socket)
{
	struct handover *h;
	OBJ_ALLOC(h, HANDOVER_MAGIC);
	h->base = base;
	h->role = role;
	h->socket = xstrdup(socket);
	return h;
}

void handover_free(struct handover **hh)
{
	struct handover *h = *hh;
	if (h == NULL)
		return;
	OBJ_CHECK(h, HANDOVER_MAGIC);
	timer_stop(&h->retry);
	link_free(&h->link);
	free(h->socket);
	OBJ_FREE(h);
	*hh = NULL;
}

static bool try_connect(struct handover *h)
{
	int connection = h->link ? -1 : fd_unix_connect(h->socket);
	if (connection >= 0)
		h->link = link_new(h->base, connection, ROLE_VOICED, h->role, &events, h);
	return h->link != NULL;
}

static bool connected(struct handover *h)
{
	if (try_connect(h))
		return true;
	LOG_OUTSIDE(LOG_SEV_WARN, "%s cannot be reached: %s", role_name(h->role), strerror(errno));
	return false;
}

/* It is back: what it told meanwhile was told to nobody. */
static void on_retry(void *arg)
{
	struct handover *h = arg;
	if (!try_connect(h)) {
		timer_start(&h->retry, h->base, RETRY_MS, on_retry, h);
	} else if (h->news != NULL) {
		json_t *item = json_build("{s:s}", "kind", "messages");
		h->news(h->news_arg, item);
		json_decref(item);
	}
}

void handover_on_news(struct handover *h, handover_news_fn *fn, void *arg)
{
	OBJ_CHECK(h, HANDOVER_MAGIC);
	h->news = fn;
	h->news_arg = arg;
}

void handover_keep(struct handover *h, bool keep)
{
	OBJ_CHECK(h, HANDOVER_MAGIC);
	h->keep = keep;
	if (!keep)
		timer_stop(&h->retry);
	else if (!try_connect(h) && !timer_running(&h->retry))
		timer_start(&h->retry, h->base, RETRY_MS, on_retry, h);
}

void handover_pass(struct handover *h, int fd)
{
	OBJ_CHECK(h, HANDOVER_MAGIC);
	if (connected(h))
		peer_tell(link_peer(h->link), MSG_HANDOVER, json_object(), fd);
	else
		door_refuse(fd, 503, "unavailable", "This part of phony is not running; try again.");
}

void handover_ask(struct handover *h, enum message type, json_t *args, peer_answer_fn *fn, void *arg)
{
	OBJ_CHECK(h, HANDOVER_MAGIC);
	struct peer_error error = {"unavailable", "This part of phony is not running; try again.", 503};
	if (connected(h)) {
		peer_ask(link_peer(h->link), type, args, ASK_TIMEOUT_MS, fn, arg);
		return;
	}
	json_decref(args);
	fn(arg, NULL, &error);
}
