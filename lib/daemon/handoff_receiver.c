#include "lib/daemon/handoff_receiver.h"

#include "lib/base/fd.h"
#include "lib/base/object.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/peer_identity.h"
#include "lib/daemon/peer_link.h"
#include "lib/daemon/pending_request.h"

#include <sys/queue.h>
#include <unistd.h>

#define ADOPT_MAGIC 0x61646f70u

enum { LEFT_MS = 10 }; /* for the connections that came last to be read */

struct source {
	LIST_ENTRY(source) next;
	struct adopt *adopt;
	struct link *link;
	struct questions questions;
};

struct adopt {
	unsigned magic;
	struct daemon *daemon;
	unsigned role;
	adopt_fn *fn;
	adopt_verb_fn *verb;
	void *arg;
	struct link_listener *listener; /* NULL: nobody more is let in */
	LIST_HEAD(, source) sources;
	loop_fn *left;
	void *left_arg;
	struct timer timer;
};

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	struct source *s = arg;
	if (f->type == MSG_HANDOVER) {
		s->adopt->fn(fd, s->adopt->arg);
		return;
	}
	fd_close(&fd);
	if (f->type == MSG_STEP_DOWN) {
		daemon_step_down(s->adopt->daemon);
		return;
	}
	if (f->flags != 0 || !message_asks(f->type))
		return;
	struct reply reply = question_take(&s->questions, p, f);
	if (s->adopt->verb != NULL)
		s->adopt->verb(s->adopt->arg, f->type, f->body, reply);
	else
		reply.fail(reply.arg, 501, "unknown", "This daemon answers no such question.");
}

static bool voiced_is_there(const struct adopt *a)
{
	const struct source *s;
	LIST_FOREACH (s, &a->sources, next)
		if (peer_role(link_peer(s->link)) == ROLE_VOICED)
			return true;
	return false;
}

static void check_left(struct adopt *a)
{
	if (a->left != NULL && !voiced_is_there(a))
		timer_start(&a->timer, a->daemon->base, LEFT_MS, a->left, a->left_arg);
}

static void free_source(struct source *s)
{
	questions_forget(&s->questions);
	LIST_REMOVE(s, next);
	link_free(&s->link);
	free(s);
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)why;
	struct source *s = arg;
	struct adopt *a = s->adopt;
	free_source(s);
	check_left(a);
}

static const struct peer_handler events = {NULL, on_message, on_gone, NULL};

static void on_accept(int fd, void *arg)
{
	struct adopt *a = arg;
	unsigned askers = a->verb != NULL ? ROLE_MCPD : 0;
	unsigned roles =
		identity_roles_of(fd, ROLE_VOICED | ROLE_SUPERVISOR | askers, a->daemon->supervisor_uid);
	if (roles == 0) {
		close(fd);
		return;
	}
	struct source *s = xcalloc(1, sizeof *s);
	s->adopt = a;
	LIST_INSERT_HEAD(&a->sources, s, next);
	s->link = link_new(a->daemon->base, fd, a->role, roles, &events, s);
}

struct adopt *adopt_open(struct daemon *d, int listener, unsigned role, adopt_fn *fn, adopt_verb_fn *verb,
			 void *arg)
{
	struct adopt *a;
	OBJ_ALLOC(a, ADOPT_MAGIC);
	a->daemon = d;
	a->role = role;
	a->fn = fn;
	a->verb = verb;
	a->arg = arg;
	LIST_INIT(&a->sources);
	a->listener = link_listen(d->base, listener, on_accept, a);
	return a;
}

void adopt_tell(struct adopt *a, enum message type, json_t *body)
{
	OBJ_CHECK(a, ADOPT_MAGIC);
	struct source *s;
	LIST_FOREACH (s, &a->sources, next)
		if (peer_role(link_peer(s->link)) == ROLE_VOICED)
			peer_tell(link_peer(s->link), type, json_incref(body), -1);
}

void adopt_leave(struct adopt *a, loop_fn *fn, void *arg)
{
	OBJ_CHECK(a, ADOPT_MAGIC);
	link_listener_free(&a->listener);
	a->left = fn;
	a->left_arg = arg;
	check_left(a);
}

void adopt_close(struct adopt **aa)
{
	struct adopt *a = *aa;
	if (a == NULL)
		return;
	OBJ_CHECK(a, ADOPT_MAGIC);
	timer_stop(&a->timer);
	link_listener_free(&a->listener);
	while (!LIST_EMPTY(&a->sources))
		free_source(LIST_FIRST(&a->sources));
	OBJ_FREE(a);
	*aa = NULL;
}
