/* `phony run`: open the doors, start the daemons, keep them, drain, end. */
#include "lib/base/json_build.h"
#include "supervisor/commands.h"

#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/daemon/privileges.h"
#include "lib/daemon/spawn.h"
#include "lib/loop/loop.h"
#include "supervisor/children.h"
#include "supervisor/control_socket.h"
#include "supervisor/listeners.h"
#include "supervisor/sd_notify.h"
#include "supervisor/takeover.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	PORT_RETRY_MS = 15000,
	STARTING_S = 60, /* for an instance that nobody can be a client of yet */
};

struct run {
	const struct command_options *options;
	struct config config;
	struct event_base *base;
	struct doors doors;
	struct children *children;
	struct tools *tools;
	struct event *term, *interrupt, *hangup;
	struct timer port_retry, idle;
	unsigned signals;
	int ready_fd; /* told who brought us up; -1: nobody waits */
	int exit_code;
	char *self;   /* our program's path, before it may be replaced */
	int settings; /* what the daemons have (config_snapshot) */
	bool goes_on; /* another instance served before this one, and calls may be live */
	/* upgrading: from the question on; giving_way: the daemons do; becoming: they have. */
	bool ready, upgrading, giving_way, becoming, upgrade_again;
};

static void upgrade_or_warn(struct run *r, const char *whose);

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

/* Signals that end or change phony: they wait (sigprocmask(2)) while one program becomes the next. */
static void hold_signals(bool hold)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/*
 * The daemons have given way: this program becomes the new one, with the doors it
 * holds. A signal that came meanwhile is the new one's: what waits stays across
 * execve(2), and it drains the calls that it has taken over. Returns when there is
 * nothing to become.
 */
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
	hold_signals(true);
	event_base_loop(r->base, EVLOOP_NONBLOCK); /* those that libevent has caught already */
	if (r->signals > 1)
		return; /* everything was ended at once */
	if (r->signals == 1)
		kill(getpid(), SIGTERM);
	if (r->upgrade_again)
		kill(getpid(), SIGHUP);
	log_info("the upgrade goes on with %s", r->self);
	doors_exec(&r->doors, r->self, argv);
	log_error("%s cannot be executed: %s; calls go on, start phony again", r->self, strerror(errno));
	_exit(EXIT_FAILED);
}

/* What daemons and live calls hold on to: another value is another instance. */
static const char *changed_for_good(const struct config *now, const struct config *next)
{
	const struct {
		const char *name, *now, *next;
	} fixed[] = {{"STATE_DIR", now->state_dir, next->state_dir},
		     {"RUN_DIR", now->run_dir, next->run_dir},
		     {"RUN_AS", now->run_as, next->run_as},
		     {"MONGODB_URL", now->mongodb_url, next->mongodb_url}};
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		if (strcmp(fixed[i].now, fixed[i].next) != 0)
			return fixed[i].name;
	return NULL;
}

/* Should the file be wrong when the new program reads it: it has these. */
static bool keep_checked(struct run *r, const struct config *next, char *why, size_t size)
{
	fd_close(&r->doors.checked);
	r->doors.checked = config_snapshot(next);
	if (r->doors.checked < 0)
		text_printf(why, size, "The settings cannot be kept for the new program: %s.",
			    strerror(errno));
	return r->doors.checked >= 0;
}

/* Everything that could fail later, done first: on false nothing has changed, and why says what is wrong. */
static bool prepare_next(struct run *r, bool accepted, char *why, size_t size)
{
	struct config next;
	struct buffer faults = {0};
	unsigned count = config_load(&next, r->options->config_file, &faults);
	count += config_require_telephony(&next, &faults);
	const char *fixed = changed_for_good(&r->config, &next);
	bool ok = false;
	if (count > 0)
		text_printf(why, size, "%.*s", TEXT_SPAN((char *)faults.data, (int)(faults.len - 1)));
	else if (!accepted)
		text_printf(why, size,
			    "The new program does not start with these settings; the log says why.");
	else if (fixed != NULL)
		text_printf(
			why, size,
			"%s cannot be changed while phony runs: end phony, then start it with the new value.",
			fixed);
	else
		ok = doors_open_next(&r->doors, &next, why, size) && keep_checked(r, &next, why, size);
	buffer_free(&faults);
	config_free(&next);
	return ok;
}

static void on_checked(void *arg, int status)
{
	struct run *r = arg;
	char why[1200], refusal[1300];
	bool accepted = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OK;
	if (r->signals > 0) {
		r->upgrading = false;
		tools_answer_upgrade(r->tools, "phony is ending.");
	} else if (prepare_next(r, accepted, why, sizeof why)) {
		log_info("upgrade: the daemons give way to new ones; calls go on");
		tools_answer_upgrade(r->tools, NULL);
		notify_reloading();
		r->giving_way = true;
		children_step_down(r->children);
	} else {
		r->upgrading = false;
		log_error("upgrade refused: %s", why);
		text_printf(refusal, sizeof refusal, "%s\nNothing was changed.", why);
		tools_answer_upgrade(r->tools, refusal);
		if (r->upgrade_again)
			upgrade_or_warn(r, "SIGHUP");
	}
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
	r->upgrade_again = false;
	return NULL;
}

/* Asked by somebody who waits for no answer. While one goes on, another follows: it may have begun too early.
 */
static void upgrade_or_warn(struct run *r, const char *whose)
{
	const char *refusal = r->upgrading ? NULL : begin_upgrade(r);
	if (refusal != NULL)
		log_warn("%s: %s", whose, refusal);
}

static void on_reload(void *arg)
{
	struct run *r = arg;
	r->upgrade_again = r->upgrading;
	upgrade_or_warn(r, "the changed settings wait for the next start");
}

static void on_ended(void *arg, int exit_code)
{
	struct run *r = arg;
	r->becoming = r->giving_way && exit_code == EXIT_OK;
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
		notify_stopping(r->config.drain_s);
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
	struct run *r = arg;
	r->upgrade_again = r->upgrading;
	upgrade_or_warn(r, "SIGHUP");
}

/* ---- `phony status` and `phony upgrade` ask ---- */

static void on_status(void *arg, void (*done)(void *done_arg, json_t *status), void *done_arg)
{
	struct run *r = arg;
	if (r->children != NULL)
		children_status(r->children, done, done_arg);
	else
		done(done_arg, json_build("{s:i, s:[]}", "pid", (int)getpid(), "processes"));
}

static const char *on_upgrade(void *arg)
{
	return begin_upgrade(arg);
}

static const struct tools_handler tools_events = {on_status, on_upgrade};

/* ---- opening ---- */

static void open_port(void *arg)
{
	struct run *r = arg;
	if (doors_open_http(&r->doors, &r->config)) {
		const struct children_start with = {.doors = &r->doors,
						    .config_file = r->options->config_file,
						    .settings = r->settings,
						    .heartbeat_s = r->config.heartbeat_s,
						    .goes_on = r->goes_on};
		r->children = children_new(r->base, &with, &children_events, r);
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

/* What keeps phony from nothing, but is hardly meant. */
static void tell_doubts(const struct run *r)
{
	struct buffer unknown = {0};
	const char *file = r->options->config_file, *voice = config_voice_missing(&r->config);
	if (config_unknown(file, &unknown))
		log_warn("%s has lines that are no settings of phony; they are ignored: %.*s",
			 file ? file : CONFIG_FILE, TEXT_SPAN((char *)unknown.data, (int)unknown.len));
	if (voice != NULL)
		log_warn("%s is not set: no call has a voice, except one that names its agent", voice);
	buffer_free(&unknown);
}

/* Returns how many are wrong. */
static unsigned load_settings(struct run *r, struct buffer *faults, bool *changed)
{
	int checked = fd_inherited(DOOR_CHECKED);
	unsigned count = config_load(&r->config, r->options->config_file, faults);
	count += config_require_telephony(&r->config, faults);
	*changed = count > 0 && checked >= 0;
	if (!*changed)
		return count;
	/* The daemons gave way to settings that were right: calls do not end for what was written since. */
	fwrite(faults->data, 1, faults->len, stderr);
	buffer_free(faults);
	config_free(&r->config);
	return config_load_snapshot(&r->config, checked, faults);
}

static int load(struct run *r)
{
	struct buffer faults = {0};
	bool changed;
	unsigned count = load_settings(r, &faults, &changed);
	char why[500];
	if (!privileges_check(&r->config, why, sizeof why)) {
		buffer_append_text(&faults, why);
		buffer_append_text(&faults, "\n");
		count++;
	}
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
	if (changed && count == 0)
		log_error("settings were changed during the upgrade, and are wrong now: phony goes on with "
			  "those that were right. Correct them, then run `phony upgrade`.");
	if (count == 0)
		tell_doubts(r);
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
	r->settings = config_snapshot(&r->config);
	if (r->settings < 0) {
		log_error("the settings cannot be kept for the daemons: %s", strerror(errno));
		r->exit_code = EXIT_FAILED;
		return;
	}
	r->base = loop_new(false);
	r->term = watch_signal(r, SIGTERM, on_signal);
	r->interrupt = watch_signal(r, SIGINT, on_signal);
	r->hangup = watch_signal(r, SIGHUP, on_hangup);
	r->tools = tools_open(r->base, r->doors.supervisor, &tools_events, r);
	notify_watchdog(r->base);
	open_port(r);
	hold_signals(false); /* the program before this one may have held some back for us */
	event_base_dispatch(r->base);
	if (r->becoming)
		become(r);
	notify_stop();
	timer_stop(&r->port_retry);
	timer_stop(&r->idle);
	tools_close(&r->tools);
	children_free(&r->children);
	event_base_loop(r->base, EVLOOP_NONBLOCK);
	event_free(r->term);
	event_free(r->interrupt);
	event_free(r->hangup);
	event_base_free(r->base);
	fd_close(&r->settings);
	libevent_global_shutdown();
}

/* The doors of the program that became this one; else RUN_DIR is taken, also from daemons whose supervisor
 * died. */
static bool open_doors(struct run *r, char *why, size_t size)
{
	if (doors_inherited(&r->doors)) {
		fd_close(&r->doors.checked); /* they are loaded */
		r->goes_on = true;
		return true;
	}
	if (!doors_lock(&r->doors, &r->config, why, size)) {
		fd_close(&r->doors.lock);
		return false;
	}
	if (!predecessor_replace(&r->config, &r->doors.http)) {
		text_printf(why, size,
			    "a daemon of an earlier instance does not give way; end it, then try again");
		return false;
	}
	r->goes_on = r->doors.http >= 0;
	return doors_open_local(&r->doors, &r->config, why, size);
}

int command_run(const struct command_options *o)
{
	struct run r = {.options = o, .ready_fd = fd_inherited("ready"), .settings = -1, .doors = DOORS_NONE};
	char why[700];
	signal(SIGPIPE, SIG_IGN);
	if (r.ready_fd >= 0)
		fd_set_nonblock(r.ready_fd, true); /* who brought us up need not read */
	r.exit_code = load(&r);
	r.self = spawn_sibling_by_name("phony");
	if (r.exit_code == EXIT_OK && o->check) {
		log_info("the settings are right");
	} else if (r.exit_code == EXIT_OK && open_doors(&r, why, sizeof why)) {
		run_loop(&r);
	} else if (r.exit_code == EXIT_OK) {
		log_error("%s", why);
		r.exit_code = EXIT_FAILED;
	}
	if (r.doors.lock >= 0)
		doors_close(&r.doors, &r.config);
	free(r.self);
	config_free(&r.config);
	return r.exit_code;
}
