/* `phony run`: open the doors, start the daemons, keep them, drain, end. */
#include "supervisor/commands.h"

#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/loop/loop.h"
#include "supervisor/children.h"
#include "supervisor/doors.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PORT_RETRY_MS = 15000 };

struct tool {
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
};

/* A line to whoever brought us up: "ready", or what is being waited for. */
static void tell_starter(struct run *r, const char *line, bool last)
{
	if (r->ready_fd < 0)
		return;
	if (write(r->ready_fd, line, strlen(line)) < 0 || last)
		fd_close(&r->ready_fd);
}

static void on_ready(void *arg)
{
	struct run *r = arg;
	log_info("phony is ready on %s:%u", r->config.bind_address, r->config.port);
	tell_starter(r, "ready\n", true);
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
	if (!r->options->idle_exit)
		return;
	if (clients > 0 || live_calls > 0)
		timer_stop(&r->idle);
	else if (!timer_running(&r->idle))
		timer_start(&r->idle, r->base, (int)r->config.idle_exit_s * 1000, on_idle, r);
}

static void on_ended(void *arg, int exit_code)
{
	struct run *r = arg;
	r->exit_code = exit_code;
	event_base_loopbreak(r->base);
}

static const struct children_handler children_events = {on_ready, on_load, on_ended};

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
	(void)arg;
	log_info("SIGHUP: nothing can be reloaded while running; restart phony to apply changed settings");
}

/* ---- `phony status` asks ---- */

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

static void on_tool_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)p;
	struct tool *t = arg;
	fd_close(&fd);
	if (f->type != MSG_STATUS)
		return;
	t->question = *f;
	t->question.body = NULL;
	t->references++;
	if (t->run->children != NULL)
		children_status(t->run->children, on_status, t);
	else
		on_status(t, json_pack("{s:i, s:[]}", "pid", (int)getpid(), "processes"));
}

static void on_tool_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)why;
	struct tool *t = arg;
	link_free(&t->link);
	release(t);
}

static const struct peer_handler tool_events = {NULL, on_tool_message, on_tool_gone, NULL};

static void on_tool(int fd, void *arg)
{
	struct tool *t = xcalloc(1, sizeof *t);
	t->run = arg;
	t->references = 1;
	t->link = link_new(t->run->base, fd, ROLE_SUPERVISOR, ROLE_TOOL, &tool_events, t);
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
	open_port(r);
	event_base_dispatch(r->base);
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
	struct run r = {.options = o, .ready_fd = fd_inherited("ready")};
	char why[300];
	signal(SIGPIPE, SIG_IGN);
	r.exit_code = load(&r);
	if (r.exit_code == EXIT_OK && !doors_lock(&r.doors, &r.config, why, sizeof why)) {
		log_error("%s", why);
		fd_close(&r.doors.lock);
		r.exit_code = EXIT_FAILED;
	} else if (r.exit_code == EXIT_OK) {
		if (doors_open_local(&r.doors, &r.config, why, sizeof why)) {
			run_loop(&r);
		} else {
			log_error("%s", why);
			r.exit_code = EXIT_FAILED;
		}
		doors_close(&r.doors, &r.config);
	}
	config_free(&r.config);
	return r.exit_code;
}
