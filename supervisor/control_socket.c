#include "supervisor/control_socket.h"

#include "lib/base/fd.h"
#include "lib/base/object.h"
#include "lib/daemon/peer_identity.h"
#include "lib/daemon/peer_link.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#define TOOLS_MAGIC 0x746f6f6cu

struct tool {
	LIST_ENTRY(tool) entry; /* of those that are connected */
	LIST_ENTRY(tool) next;  /* of those that wait for an upgrade to begin */
	bool waits;
	bool may_upgrade; /* it runs as the supervisor's user, or as root */
	struct tools *all;
	struct link *link;
	struct frame question;
	unsigned references;
};

struct tools {
	unsigned magic;
	struct event_base *base;
	struct link_listener *listener;
	const struct tools_handler *handler;
	void *arg;
	LIST_HEAD(, tool) connected;
	LIST_HEAD(, tool) upgraders;
};

static void release(struct tool *t)
{
	if (--t->references > 0)
		return;
	free(t);
}

static void on_status(void *arg, json_t *status)
{
	struct tool *t = arg;
	if (t->link != NULL)
		peer_reply(link_peer(t->link), &t->question, status);
	else
		json_decref(status);
	release(t);
}

static void answer_upgrade(struct tool *t, const char *refusal)
{
	struct peer_error error = {"refused", refusal, 409};
	if (refusal == NULL)
		peer_reply(link_peer(t->link), &t->question, json_object());
	else
		peer_refuse(link_peer(t->link), &t->question, &error);
}

static void stop_waiting(struct tool *t)
{
	if (t->waits)
		LIST_REMOVE(t, next);
	t->waits = false;
}

void tools_answer_upgrade(struct tools *all, const char *refusal)
{
	OBJ_CHECK(all, TOOLS_MAGIC);
	struct tool *t;
	while ((t = LIST_FIRST(&all->upgraders)) != NULL) {
		stop_waiting(t);
		answer_upgrade(t, refusal);
	}
}

static void on_upgrade(struct tool *t)
{
	const char *refusal =
		t->may_upgrade
			? t->all->handler->upgrade(t->all->arg)
			: "phony was started by another user: run `phony upgrade` as that one, or as root.";
	if (refusal != NULL) {
		answer_upgrade(t, refusal);
		return;
	}
	t->waits = true;
	LIST_INSERT_HEAD(&t->all->upgraders, t, next);
}

static void on_tool_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)p;
	struct tool *t = arg;
	fd_close(&fd);
	if (f->type != MSG_STATUS && f->type != MSG_UPGRADE)
		return;
	t->question = *f;
	t->question.body = NULL;
	if (f->type == MSG_UPGRADE) {
		on_upgrade(t);
		return;
	}
	t->references++;
	t->all->handler->status(t->all->arg, on_status, t);
}

static void leave(struct tool *t)
{
	stop_waiting(t);
	LIST_REMOVE(t, entry);
	link_free(&t->link);
	release(t); /* an answer may still be on its way to it */
}

static void on_tool_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)why;
	leave(arg);
}

static const struct peer_handler tool_events = {NULL, on_tool_message, on_tool_gone, NULL};

static void on_tool(int fd, void *arg)
{
	unsigned roles = identity_roles_of(fd, ROLE_TOOL, geteuid());
	if (roles == 0) {
		close(fd);
		return;
	}
	struct tool *t = xcalloc(1, sizeof *t);
	struct identity who;
	t->may_upgrade = identity_of(fd, &who) && (who.uid == 0 || who.uid == geteuid());
	t->all = arg;
	t->references = 1;
	LIST_INSERT_HEAD(&t->all->connected, t, entry);
	t->link = link_new(t->all->base, fd, ROLE_SUPERVISOR, roles, &tool_events, t);
}

struct tools *tools_open(struct event_base *base, int listener, const struct tools_handler *h, void *arg)
{
	struct tools *all;
	OBJ_ALLOC(all, TOOLS_MAGIC);
	all->base = base;
	all->handler = h;
	all->arg = arg;
	LIST_INIT(&all->connected);
	LIST_INIT(&all->upgraders);
	all->listener = link_listen(base, listener, on_tool, all);
	return all;
}

void tools_close(struct tools **aa)
{
	struct tools *all = *aa;
	if (all == NULL)
		return;
	OBJ_CHECK(all, TOOLS_MAGIC);
	link_listener_free(&all->listener);
	while (!LIST_EMPTY(&all->connected))
		leave(LIST_FIRST(&all->connected));
	OBJ_FREE(all);
	*aa = NULL;
}
