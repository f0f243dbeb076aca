/* `phony run`: open the doors, start the daemons, keep them, drain, end. */
#include "lib/base/json_build.h"
#include "supervisor/commands.h"

#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/daemon/identity.h"
#include "lib/daemon/spawn.h"
#include "lib/loop/loop.h"
#include "supervisor/children.h"
#include "supervisor/doors.h"
#include "supervisor/notify.h"
#include "supervisor/predecessor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PORT_RETRY_MS = 15000,
	STARTING_S = 60, /* for an instance that nobody can be a client of yet */
};

struct tool {
	LIST_ENTRY(tool) next; /* of those that wait for an upgrade to begin */
	bool waits;
	bool may_upgrade; /* it runs as the supervisor's user, or as root */
	struct run *run;
	struct link *link;
	struct frame question;
	unsigned references;
};

struct run {
	const struct command_options *options;
	struct config config;
	struct event_base *base;
	struct doors doors;
	struct children *children;
	struct link_listener *tools;
	struct event *term, *interrupt, *hangup;
	struct timer port_retry, idle;
	unsigned signals;
	int ready_fd; /* told who brought us up; -1: nobody waits */
	int exit_code;
	char *self; /* our program's path, before it may be replaced */
	bool ready, upgrading;
	LIST_HEAD(, tool) upgraders;
};

static void tools_answer_upgrade(struct run *r, const char *refusal);

/* A line to whoever brought us up: "ready", or what is being waited for. */
static void tell_starter(struct run *r, const char *line, bool last)
{
	if (r->ready_fd < 0)
		return;
	if (write(r->ready_fd, line, strlen(line)) < 0 || last)
		fd_close(&r->ready_fd);
}

static void on_idle(void *arg)
{
	struct run *r = arg;
	log_info("no client and no live call for %u s: ending", r->config.idle_exit_s);
	children_stop(r->children, 0);
}

static void on_load(void *arg, unsigned clients, unsigned live_calls)
{
	struct run *r = arg;
	unsigned seconds = r->config.idle_exit_s + (r->ready ? 0 : STARTING_S);
	if (!r->options->idle_exit)
		return;
	if (clients > 0 || live_calls > 0)
		timer_stop(&r->idle);
	else if (!timer_running(&r->idle))
		timer_start(&r->idle, r->base, (int)seconds * 1000, on_idle, r);
}

static void on_ready(void *arg)
{
	struct run *r = arg;
	r->ready = true;
	if (timer_running(&r->idle)) {
		timer_stop(&r->idle);
		on_load(r, 0, 0); /* the time counts from here */
	}
	log_info("phony is ready on %s:%u", r->config.bind_address, r->config.port);
	tell_starter(r, "ready\n", true);
	notify_send("READY=1");
}

/* ---- new programs, new settings: without hanging up ---- */

/* The daemons have given way: this program becomes the new one, with the doors it holds. */
static void become(struct run *r)
{
	const char *argv[5] = {"phony", "run"};
	int count = 2;
	if (r->options->config_file != NULL) {
		argv[count++] = "--config";
		argv[count++] = r->options->config_file;
	}
	if (r->options->idle_exit)
		argv[count++] = "--idle-exit";
	argv[count] = NULL;
	log_info("the upgrade goes on with %s", r->self);
	doors_exec(&r->doors, r->self, argv);
	log_error("%s cannot be executed: %s; calls go on, start phony again", r->self, strerror(errno));
	_exit(EXIT_FAILED);
}

static void on_checked(void *arg, int status)
{
	struct run *r = arg;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK) {
		log_info("upgrade: the daemons give way to new ones; calls go on");
		notify_reloading();
		children_step_down(r->children);
	} else {
		r->upgrading = false;
		log_error("upgrade refused: the new program does not accept the settings (see above)");
	}
	tools_answer_upgrade(r, r->upgrading ? NULL
					     : "The new program does not start with these settings; the log "
					       "says why. Nothing was changed.");
}

/* NULL, or why it cannot be. */
static const char *begin_upgrade(struct run *r)
{
	const char *const argv[] = {"phony",
				    "run",
				    "--check",
				    r->options->config_file ? "--config" : NULL,
				    r->options->config_file,
				    NULL};
	if (r->upgrading || r->signals > 0 || r->children == NULL)
		return "phony is starting, ending or being upgraded already.";
	if (!children_run(r->children, r->self, argv, on_checked, r))
		return "The new program cannot be executed: is it installed whole?";
	r->upgrading = true;
	return NULL;
}

static void on_reload(void *arg)
{
	const char *refusal = begin_upgrade(arg);
	if (refusal != NULL)
		log_warn("the changed settings wait for the next start: %s", refusal);
}

static void on_ended(void *arg, int exit_code)
{
	struct run *r = arg;
	if (r->upgrading && r->signals == 0 && exit_code == EXIT_OK) {
		become(r);
		return;
	}
	r->exit_code = exit_code;
	event_base_loopbreak(r->base);
}

static const struct children_handler children_events = {on_ready, on_load, on_reload, on_ended};

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)what;
	struct run *r = arg;
	if (r->children == NULL) {
		event_base_loopbreak(r->base);
	} else if (r->signals++ == 0) {
		log_info("SIG%s: ending; live calls may go on for %u s, a second signal ends at once",
			 sigabbrev_np((int)number), r->config.drain_s);
		children_stop(r->children, r->config.drain_s);
	} else {
		log_info("SIG%s again: ending at once", sigabbrev_np((int)number));
		children_kill(r->children);
	}
}

static void on_hangup(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	const char *why = begin_upgrade(arg);
	if (why != NULL)
		log_warn("SIGHUP: %s", why);
}

/* ---- `phony status` and `phony upgrade` ask ---- */

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

static void tools_answer_upgrade(struct run *r, const char *refusal)
{
	struct tool *t;
	while ((t = LIST_FIRST(&r->upgraders)) != NULL) {
		stop_waiting(t);
		answer_upgrade(t, refusal);
	}
}

static void on_upgrade(struct tool *t)
{
	const char *refusal =
		t->may_upgrade
			? begin_upgrade(t->run)
			: "phony was started by another user: run `phony upgrade` as that one, or as root.";
	if (refusal != NULL) {
		answer_upgrade(t, refusal);
		return;
	}
	t->waits = true;
	LIST_INSERT_HEAD(&t->run->upgraders, t, next);
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
	if (t->run->children != NULL)
		children_status(t->run->children, on_status, t);
	else
		on_status(t, json_build("{s:i, s:[]}", "pid", (int)getpid(), "processes"));
}

static void on_tool_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)why;
	struct tool *t = arg;
	stop_waiting(t);
	link_free(&t->link);
	release(t);
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
	t->run = arg;
	t->references = 1;
	t->link = link_new(t->run->base, fd, ROLE_SUPERVISOR, roles, &tool_events, t);
}

/* ---- opening ---- */

static void open_port(void *arg)
{
	struct run *r = arg;
	if (doors_open_http(&r->doors, &r->config)) {
		r->children = children_new(r->base, &r->doors, r->options->config_file, &children_events, r);
		children_start(r->children);
		on_load(r, 0, 0);
		return;
	}
	char line[256];
	if (errno == EADDRINUSE)
		snprintf(line, sizeof line,
			 "Port %u is already in use. Server may already be running. Trying again in %d s.",
			 r->config.port, PORT_RETRY_MS / 1000);
	else
		snprintf(line, sizeof line, "%s:%u cannot be bound: %s. Trying again in %d s.",
			 r->config.bind_address, r->config.port, strerror(errno), PORT_RETRY_MS / 1000);
	log_error("%s", line);
	tell_starter(r, "waiting: ", false);
	tell_starter(r, line, false);
	tell_starter(r, "\n", false);
	timer_start(&r->port_retry, r->base, PORT_RETRY_MS, open_port, r);
}

static int load(struct run *r)
{
	struct buffer faults = {0};
	unsigned count = config_load(&r->config, r->options->config_file, &faults);
	count += config_require_telephony(&r->config, &faults);
	if (count > 0) {
		fwrite(faults.data, 1, faults.len, stderr);
		fprintf(stderr,
			"phony: %u setting(s) are wrong or missing; etc/phony.env.example shows all\n",
			count);
	}
	buffer_free(&faults);
	enum log_severity severity = LOG_SEV_INFO;
	log_parse_severity(r->config.log_level, &severity);
	log_open("phony", severity, strcmp(r->config.log_format, "json") == 0);
	return count > 0 ? EXIT_CONFIG : EXIT_OK;
}

static struct event *watch_signal(struct run *r, int number, event_callback_fn fn)
{
	struct event *event = evsignal_new(r->base, number, fn, r);
	evsignal_add(event, NULL);
	return event;
}

static void run_loop(struct run *r)
{
	r->base = loop_new(false);
	r->term = watch_signal(r, SIGTERM, on_signal);
	r->interrupt = watch_signal(r, SIGINT, on_signal);
	r->hangup = watch_signal(r, SIGHUP, on_hangup);
	r->tools = link_listen(r->base, r->doors.supervisor, on_tool, r);
	notify_watchdog(r->base);
	open_port(r);
	event_base_dispatch(r->base);
	notify_stop();
	timer_stop(&r->port_retry);
	timer_stop(&r->idle);
	link_listener_free(&r->tools);
	children_free(&r->children);
	event_base_loop(r->base, EVLOOP_NONBLOCK);
	event_free(r->term);
	event_free(r->interrupt);
	event_free(r->hangup);
	event_base_free(r->base);
	libevent_global_shutdown();
}

int command_run(const struct command_options *o)
{
	struct run r = {.options = o, .ready_fd = fd_inherited("ready"), .doors = DOORS_NONE};
	char why[700];
	signal(SIGPIPE, SIG_IGN);
	r.exit_code = load(&r);
	r.self = spawn_sibling_by_name("phony");
	LIST_INIT(&r.upgraders);
	if (r.exit_code == EXIT_OK && o->check)
		log_info("the settings are right");
	else if (r.exit_code == EXIT_OK && doors_inherited(&r.doors))
		run_loop(&r);
	else if (r.exit_code == EXIT_OK && !doors_lock(&r.doors, &r.config, why, sizeof why)) {
		log_error("%s", why);
		fd_close(&r.doors.lock);
		r.exit_code = EXIT_FAILED;
	} else if (r.exit_code == EXIT_OK) {
		if (!predecessor_replace(&r.config, &r.doors.http)) {
			log_error(
				"a daemon of an earlier instance does not give way; end it, then try again");
			r.exit_code = EXIT_FAILED;
		} else if (doors_open_local(&r.doors, &r.config, why, sizeof why)) {
			run_loop(&r);
		} else {
			log_error("%s", why);
			r.exit_code = EXIT_FAILED;
		}
	}
	if (r.doors.lock >= 0)
		doors_close(&r.doors, &r.config);
	free(r.self);
	config_free(&r.config);
	return r.exit_code;
}
