#include "voiced/api/control_socket.h"

#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/daemon/peer_identity.h"
#include "lib/daemon/pending_request.h"
#include "voiced/api/commands.h"
#include "voiced/load_report.h"
#include "voiced/shared/event_bus.h"

#include <fcntl.h>
#include <sys/queue.h>
#include <unistd.h>

#define CLIENTS_MAGIC 0x636c6e74u
#define CLIENT_MAGIC 0x636c6e31u

struct client {
	unsigned magic;
	LIST_ENTRY(client) next;
	struct clients *all;
	struct link *link;
	struct listener *listener; /* it is told the news */
	struct questions questions;
};

struct clients {
	unsigned magic;
	struct voiced *v;
	struct link_listener *listener;
	LIST_HEAD(, client) list;
};

static void on_news(void *arg, json_t *item)
{
	struct client *c = arg;
	if (c->link != NULL)
		peer_tell(link_peer(c->link), MSG_NEWS, json_incref(item), -1);
}

static void free_client(struct client *c)
{
	news_unlisten(&c->listener);
	questions_forget(&c->questions);
	LIST_REMOVE(c, next);
	link_free(&c->link);
	load_tell(c->all->v);
	OBJ_FREE(c);
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	struct client *c = arg;
	OBJ_CHECK(c, CLIENT_MAGIC);
	fd_close(&fd);
	if (f->type == MSG_STATUS) {
		peer_reply(p, f, json_object());
		return;
	}
	if (f->type == MSG_STEP_DOWN) {
		/* Who is waiting at the door goes over with it. */
		if (c->all->v->daemon->supervisor == NULL)
			peer_tell(p, MSG_DOOR, json_object(),
				  fcntl(fd_inherited(DOOR_HTTP), F_DUPFD_CLOEXEC, 3));
		daemon_step_down(c->all->v->daemon);
		return;
	}
	if (f->type == MSG_SUBSCRIBE) {
		if (c->listener == NULL)
			c->listener = news_listen(c->all->v, on_news, c);
		return;
	}
	verb_run(c->all->v, f->type, f->body, question_take(&c->questions, p, f));
}

static void on_hello(struct peer *p, enum role role, pid_t pid, void *arg)
{
	(void)p;
	struct client *c = arg;
	log_debug("a %s is there (pid %d)", role_name(role), (int)pid);
	load_tell(c->all->v);
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	struct client *c = arg;
	log_debug("a peer of voiced.sock has gone: %s", why);
	free_client(c);
}

static const struct peer_handler events = {on_hello, on_message, on_gone, NULL};

static void on_accept(int fd, void *arg)
{
	struct clients *all = arg;
	struct client *c;
	unsigned roles = identity_roles_of(fd, ROLE_MCPD | ROLE_TOOL | ROLE_SUPERVISOR,
					   all->v->daemon->supervisor_uid);
	if (roles == 0) {
		close(fd);
		return;
	}
	OBJ_ALLOC(c, CLIENT_MAGIC);
	c->all = all;
	LIST_INIT(&c->questions);
	LIST_INSERT_HEAD(&all->list, c, next);
	c->link = link_new(all->v->base, fd, ROLE_VOICED, roles, &events, c);
}

struct clients *clients_open(struct voiced *v, int listener)
{
	struct clients *all;
	OBJ_ALLOC(all, CLIENTS_MAGIC);
	all->v = v;
	LIST_INIT(&all->list);
	all->listener = link_listen(v->base, listener, on_accept, all);
	return all;
}

void clients_close(struct clients **cc)
{
	struct clients *all = *cc;
	if (all == NULL)
		return;
	OBJ_CHECK(all, CLIENTS_MAGIC);
	link_listener_free(&all->listener);
	while (!LIST_EMPTY(&all->list))
		free_client(LIST_FIRST(&all->list));
	OBJ_FREE(all);
	*cc = NULL;
}

unsigned clients_count(const struct clients *all)
{
	OBJ_CHECK(all, CLIENTS_MAGIC);
	unsigned count = 0;
	const struct client *c;
	LIST_FOREACH (c, &all->list, next)
		count += c->link != NULL && peer_role(link_peer(c->link)) == ROLE_MCPD;
	return count;
}
