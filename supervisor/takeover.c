#include "supervisor/takeover.h"

#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/log.h"
#include "lib/daemon/lock_file.h"
#include "lib/daemon/peer_link.h"
#include "lib/daemon/privileges.h"
#include "lib/loop/loop.h"

#include <stdlib.h>

enum { PATIENCE_MS = 20000, CHECK_MS = 20 };

struct asked {
	struct link *link; /* NULL: gone, or never there */
	int *http;         /* where its door goes */
};

struct predecessor {
	const struct config *config;
	struct event_base *base;
	struct asked asked[3];
	struct timer check, patience;
	bool gone;
};

static const struct {
	const char *name, *socket;
	enum role role;
} daemons[3] = {{"voiced", SOCKET_VOICED, ROLE_VOICED},
		{"smsd", SOCKET_SMSD, ROLE_SMSD},
		{"mcpd", SOCKET_MCPD, ROLE_MCPD}};

static void on_hello(struct peer *p, enum role role, pid_t pid, void *arg)
{
	(void)arg;
	log_info("%s %d of an earlier instance is asked to give way", role_name(role), (int)pid);
	peer_tell(p, MSG_STEP_DOWN, json_object(), -1);
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)p;
	struct asked *a = arg;
	if (f->type == MSG_DOOR) {
		fd_close(a->http);
		*a->http = fd;
	} else {
		fd_close(&fd);
	}
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)why;
	struct asked *a = arg;
	link_free(&a->link);
}

static const struct peer_handler events = {on_hello, on_message, on_gone, NULL};

static void on_check(void *arg)
{
	struct predecessor *p = arg;
	for (size_t i = 0; i < sizeof daemons / sizeof *daemons; i++)
		if (daemon_is_there(p->config, daemons[i].name)) {
			timer_start(&p->check, p->base, CHECK_MS, on_check, p);
			return;
		}
	p->gone = true;
	event_base_loopbreak(p->base);
}

static void on_patience(void *arg)
{
	struct predecessor *p = arg;
	event_base_loopbreak(p->base);
}

static void ask(struct predecessor *p, size_t i)
{
	if (!daemon_is_there(p->config, daemons[i].name))
		return;
	char *path = config_run_path(p->config, daemons[i].socket);
	privileges_as_root(); /* by which they know a supervisor: lib/daemon/peer_identity.h */
	int fd = fd_unix_connect(path);
	privileges_as_user(p->config);
	free(path);
	if (fd >= 0)
		p->asked[i].link =
			link_new(p->base, fd, ROLE_SUPERVISOR, daemons[i].role, &events, &p->asked[i]);
}

bool predecessor_replace(const struct config *c, int *http)
{
	struct predecessor p = {.config = c, .base = loop_new(false)};
	privileges_as_user(c); /* the locks are in RUN_DIR */
	for (size_t i = 0; i < sizeof daemons / sizeof *daemons; i++) {
		p.asked[i].http = http;
		ask(&p, i);
	}
	timer_start(&p.patience, p.base, PATIENCE_MS, on_patience, &p);
	timer_start(&p.check, p.base, 0, on_check, &p);
	event_base_dispatch(p.base);
	timer_stop(&p.patience);
	timer_stop(&p.check);
	for (size_t i = 0; i < sizeof daemons / sizeof *daemons; i++)
		link_free(&p.asked[i].link);
	event_base_loop(p.base, EVLOOP_NONBLOCK);
	event_base_free(p.base);
	privileges_as_root();
	return p.gone;
}
