#include "voiced/handover.h"

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/daemon/link.h"
#include "voiced/door.h"

#include <errno.h>
#include <string.h>

#define HANDOVER_MAGIC 0x68616e64u

enum { ASK_TIMEOUT_MS = 20000 };

struct handover {
	unsigned magic;
	struct event_base *base;
	unsigned role;
	char *socket;
	struct link *link; /* NULL: not connected */
};

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)arg;
	fd_close(&fd);
	log_warn("%s says %s where nothing is expected", role_name(peer_role(p)), message_name(f->type));
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	struct handover *h = arg;
	log_debug("%s has gone away: %s", role_name(h->role), why);
	link_free(&h->link);
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
	link_free(&h->link);
	free(h->socket);
	OBJ_FREE(h);
	*hh = NULL;
}

static bool connected(struct handover *h)
{
	if (h->link != NULL)
		return true;
	int connection = fd_unix_connect(h->socket);
	if (connection < 0) {
		log_warn("%s cannot be reached: %s", role_name(h->role), strerror(errno));
		return false;
	}
	h->link = link_new(h->base, connection, ROLE_VOICED, h->role, &events, h);
	return true;
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
