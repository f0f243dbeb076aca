#include "supervisor/children.h"

#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/daemon/confinement.h"
#include "lib/daemon/heartbeat.h"
#include "lib/daemon/spawn.h"
#include "lib/loop/loop.h"
#include "supervisor/descendants.h"
#include "supervisor/exit_reason.h"
#include "supervisor/orphaned_workers.h"
#include "supervisor/restart_policy.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILDREN_MAGIC 0x6368696cu

enum {
	VOICED,
	SMSD,
	MCPD,
	CHILD_COUNT,
	STOP_PATIENCE_S = 15, /* beyond the time to drain */
	STEP_DOWN_PATIENCE_S = 10,
	STATUS_TIMEOUT_MS = 2000,
};

struct child {
	struct children *all;
	const char *name;
	enum role role;
	pid_t pid; /* 0: not running */
	struct link *link;
	struct policy policy;
	struct timer timer;
	struct heartbeat heartbeat;
	unsigned starts;
};

struct children {
	unsigned magic;
	struct event_base *base;
	struct children_start with;
	const struct children_handler *handler;
	void *arg;
	struct child list[CHILD_COUNT];
	struct event *reap;
	struct orphans orphans;
	bool ready_told, stopping, ended_told;
	int exit_code;
	struct timer patience;
	pid_t other; /* what children_run has started; 0: nothing */
	children_ran_fn *ran;
	void *ran_arg;
};

static void apply(struct child *c, enum policy_event event);

static int64_t now_ms(void)
{
	return mono_now().us / 1000;
}

/* ---- what daemons say ---- */

static void check_ready(struct children *all)
{
	for (int i = 0; i < CHILD_COUNT; i++)
		if (all->list[i].policy.state != POLICY_UP)
			return;
	if (!all->ready_told)
		all->handler->ready(all->arg);
	all->ready_told = true;
}

static void on_silent(void *arg)
{
	struct child *c = arg;
	log_error("%s has not answered for %u s: it is killed", c->name, c->all->with.heartbeat_s);
	apply(c, POLICY_SILENT);
}

static void on_hello(struct peer *p, enum role role, pid_t pid, void *arg)
{
	(void)p;
	(void)role;
	(void)pid;
	struct child *c = arg;
	log_info("%s is ready", c->name);
	apply(c, POLICY_HELLO);
	heartbeat_start(&c->heartbeat, c->all->base, &c->link, c->pid, MSG_ALIVE, c->all->with.heartbeat_s,
			on_silent, c);
	if (c->role == ROLE_VOICED)
		orphans_tell(&c->all->orphans, link_peer(c->link));
	check_ready(c->all);
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)p;
	struct child *c = arg;
	int64_t clients = 0, live = 0;
	struct json_reader r;
	fd_close(&fd);
	if (f->type == MSG_RELOAD)
		c->all->handler->reload(c->all->arg);
	if (f->type != MSG_LOAD)
		return;
	json_read_open(&r, f->body);
	json_read_int(&r, "clients", JSON_NEEDED, 0, INT32_MAX, &clients);
	json_read_int(&r, "liveCalls", JSON_NEEDED, 0, INT32_MAX, &live);
	if (json_read_ok(&r))
		c->all->handler->load(c->all->arg, (unsigned)clients, (unsigned)live);
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)why;
	struct child *c = arg;
	link_free(&c->link); /* its exit follows */
}

static const struct peer_handler link_events = {on_hello, on_message, on_gone, NULL};

/* ---- starting and ending ---- */

static void add_door(struct spawn *s, int fd, const char *name)
{
	s->fds[s->fd_count].fd = fd;
	s->fds[s->fd_count++].name = name;
}

static void add_doors(struct child *c, struct spawn *s)
{
	const struct doors *doors = c->all->with.doors;
	if (c->role == ROLE_VOICED) {
		add_door(s, doors->http, DOOR_HTTP);
		add_door(s, doors->voiced, DOOR_VOICED);
	} else if (c->role == ROLE_SMSD) {
		add_door(s, doors->smsd, DOOR_SMSD);
	} else {
		add_door(s, doors->mcpd, DOOR_MCPD);
	}
}

static bool start(struct child *c)
{
	int pair[2];
	const struct children_start *with = &c->all->with;
	const char *argv[] = {c->name, with->config_file ? "--config" : NULL, with->config_file, NULL};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		log_error("%s cannot be started: %s", c->name, strerror(errno));
		return false;
	}
	char *path = spawn_sibling(c->name);
	struct spawn s = {.path = path,
			  .argv = argv,
			  .envp = (const char *const *)environ,
			  .own_session = true, /* Ctrl-C and the terminal's end are for us to pass on */
			  .stdin_fd = -1};
	add_door(&s, pair[1], DOOR_SUPERVISOR);
	add_door(&s, with->settings, DOOR_SETTINGS);
	add_doors(c, &s);
	c->pid = spawn_program(&s);
	int saved = errno;
	free(path);
	close(pair[1]);
	if (c->pid < 0) {
		close(pair[0]);
		c->pid = 0;
		log_error("%s cannot be started: %s", c->name, strerror(saved));
		return false;
	}
	c->starts++;
	c->link = link_new(c->all->base, pair[0], ROLE_SUPERVISOR, c->role, &link_events, c);
	return true;
}

static void on_deadline(void *arg)
{
	apply(arg, POLICY_TIME);
}

static void apply(struct child *c, enum policy_event event)
{
	struct policy_step step = policy_step(&c->policy, event, now_ms());
	timer_stop(&c->timer);
	if (step.action == POLICY_START && !start(c)) {
		apply(c, POLICY_EXIT);
		return;
	}
	if (step.action == POLICY_KILL && c->pid > 0) {
		if (event == POLICY_TIME)
			log_error("%s has not become ready within %d s: it is killed", c->name,
				  POLICY_READY_MS / 1000);
		kill(c->pid, SIGKILL);
	}
	if (step.deadline_ms >= 0) {
		int64_t left = step.deadline_ms - now_ms();
		timer_start(&c->timer, c->all->base, left > 0 ? (int)left : 0, on_deadline, c);
		if (c->policy.state == POLICY_DOWN)
			log_info("%s is started again in %lld ms", c->name, (long long)left);
	}
}

static bool all_ended(const struct children *all)
{
	for (int i = 0; i < CHILD_COUNT; i++)
		if (all->list[i].pid > 0 || all->list[i].policy.state != POLICY_ENDED)
			return false;
	return true;
}

static void stop_child(struct child *c, unsigned seconds)
{
	if (c->policy.state == POLICY_STOPPING || c->policy.state == POLICY_ENDED)
		return;
	apply(c, POLICY_STOP);
	/* One that is only starting reads it when it is ready: it may have calls to take over first. */
	if (c->pid > 0 && c->link != NULL)
		peer_tell(link_peer(c->link), MSG_DRAIN, json_build("{s:i}", "seconds", (int)seconds), -1);
	else if (c->pid > 0)
		kill(c->pid, SIGTERM);
}

/* voiced has ended, or was never there: the others follow. */
static void stop_rest(struct children *all)
{
	if (all->list[VOICED].pid > 0)
		return;
	stop_child(&all->list[SMSD], 0);
	stop_child(&all->list[MCPD], 0);
	if (all_ended(all) && !all->ended_told) {
		all->ended_told = true;
		all->handler->ended(all->arg, all->exit_code);
	}
}

static void on_ended(struct child *c, int status)
{
	char words[256];
	obituary_write(c->name, status, words, sizeof words);
	bool wanted = c->policy.state == POLICY_STOPPING && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (wanted)
		log_info("%s", words);
	else
		log_error("%s", words);
	c->pid = 0;
	heartbeat_stop(&c->heartbeat);
	link_free(&c->link);
	apply(c, obituary_hopeless(status) ? POLICY_HOPELESS : POLICY_EXIT);
	if (c->policy.state == POLICY_ENDED && !c->all->stopping) {
		c->all->exit_code = WEXITSTATUS(status);
		children_stop(c->all, 0);
	}
	if (c->all->stopping)
		stop_rest(c->all);
}

static void on_orphan(struct children *all, pid_t pid, int status)
{
	struct child *voiced = &all->list[VOICED];
	orphans_add(&all->orphans, pid, status);
	bool ready = voiced->policy.state == POLICY_UP || voiced->policy.state == POLICY_STOPPING;
	if (ready && voiced->link != NULL && peer_role(link_peer(voiced->link)) != 0)
		orphans_tell(&all->orphans, link_peer(voiced->link));
}

static void on_child_signal(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	struct children *all = arg;
	pid_t pid;
	int status;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *ours = NULL;
		for (int i = 0; i < CHILD_COUNT; i++)
			if (all->list[i].pid == pid)
				ours = &all->list[i];
		if (ours != NULL) {
			on_ended(ours, status);
		} else if (pid == all->other) {
			all->other = 0;
			all->ran(all->ran_arg, status);
		} else {
			on_orphan(all, pid, status);
		}
	}
}

struct children *children_new(struct event_base *base, const struct children_start *with,
			      const struct children_handler *h, void *arg)
{
	static const struct {
		const char *name;
		enum role role;
	} daemons[CHILD_COUNT] = {{"voiced", ROLE_VOICED}, {"smsd", ROLE_SMSD}, {"mcpd", ROLE_MCPD}};
	struct children *all;
	OBJ_ALLOC(all, CHILDREN_MAGIC);
	all->base = base;
	all->with = *with;
	all->handler = h;
	all->arg = arg;
	for (int i = 0; i < CHILD_COUNT; i++) {
		all->list[i].all = all;
		all->list[i].name = daemons[i].name;
		all->list[i].role = daemons[i].role;
		all->list[i].policy.was_up = with->goes_on;
	}
	/* libmongoc would leave its counters in /dev/shm whenever a daemon is killed. */
	setenv("MONGOC_DISABLE_SHM", "1", 1);
	/* Callworkers outlive voiced: then they are ours. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	all->reap = evsignal_new(base, SIGCHLD, on_child_signal, all);
	evsignal_add(all->reap, NULL);
	return all;
}

void children_start(struct children *all)
{
	OBJ_CHECK(all, CHILDREN_MAGIC);
	/* Those of the program that became this one: their ends may have been told to it. */
	on_child_signal(SIGCHLD, 0, all);
	for (int i = 0; i < CHILD_COUNT; i++)
		apply(&all->list[i], POLICY_TIME);
}

static void on_patience(void *arg)
{
	log_error("the daemons do not end: they are killed");
	children_kill(arg);
}

void children_stop(struct children *all, unsigned drain_s)
{
	OBJ_CHECK(all, CHILDREN_MAGIC);
	if (all->stopping)
		return;
	all->stopping = true;
	timer_start(&all->patience, all->base, (int)(drain_s + STOP_PATIENCE_S) * 1000, on_patience, all);
	stop_child(&all->list[VOICED], drain_s);
	stop_rest(all);
}

static void on_step_down_patience(void *arg)
{
	struct children *all = arg;
	for (int i = 0; i < CHILD_COUNT; i++)
		if (all->list[i].pid > 0) {
			log_error("%s does not give way: it is killed", all->list[i].name);
			kill(all->list[i].pid, SIGKILL);
		}
}

void children_step_down(struct children *all)
{
	OBJ_CHECK(all, CHILDREN_MAGIC);
	if (all->stopping)
		return;
	all->stopping = true;
	timer_start(&all->patience, all->base, STEP_DOWN_PATIENCE_S * 1000, on_step_down_patience, all);
	for (int i = 0; i < CHILD_COUNT; i++) {
		struct child *c = &all->list[i];
		apply(c, POLICY_STOP);
		if (c->pid > 0 && c->link != NULL)
			peer_tell(link_peer(c->link), MSG_STEP_DOWN, json_object(), -1);
		else if (c->pid > 0)
			kill(c->pid, SIGKILL); /* it has only just begun */
	}
	stop_rest(all);
}

bool children_run(struct children *all, const char *path, const char *const argv[], children_ran_fn *fn,
		  void *arg)
{
	OBJ_CHECK(all, CHILDREN_MAGIC);
	struct spawn s = {.path = path, .argv = argv, .envp = (const char *const *)environ, .stdin_fd = -1};
	if (all->other > 0) {
		errno = EBUSY;
		return false;
	}
	all->ran = fn;
	all->ran_arg = arg;
	all->other = spawn_program(&s);
	if (all->other > 0)
		return true;
	all->other = 0;
	return false;
}

void children_kill(struct children *all)
{
	OBJ_CHECK(all, CHILDREN_MAGIC);
	all->stopping = true;
	for (int i = 0; i < CHILD_COUNT; i++) {
		struct child *c = &all->list[i];
		int status;
		apply(c, POLICY_STOP);
		if (c->pid <= 0)
			continue;
		kill(c->pid, SIGKILL);
		waitpid(c->pid, &status, 0);
		on_ended(c, status);
	}
	descendants_kill(); /* calls of a voiced that has just died, too */
	stop_rest(all);
}

void children_free(struct children **aa)
{
	struct children *all = *aa;
	if (all == NULL)
		return;
	OBJ_CHECK(all, CHILDREN_MAGIC);
	/* A worker that still waits for somebody to take its last events. */
	descendants_signal(SIGTERM);
	for (int i = 0; i < CHILD_COUNT; i++) {
		timer_stop(&all->list[i].timer);
		heartbeat_stop(&all->list[i].heartbeat);
		link_free(&all->list[i].link);
	}
	timer_stop(&all->patience);
	event_free(all->reap);
	OBJ_FREE(all);
	*aa = NULL;
}

/* ---- status ---- */

struct status_question {
	void (*done)(void *arg, json_t *status);
	void *arg;
	json_t *processes;
	unsigned pending;
};

struct status_part {
	struct status_question *q;
	json_t *process; /* borrowed from processes */
};

static void status_step(struct status_question *q)
{
	if (--q->pending > 0)
		return;
	q->done(q->arg, json_build("{s:i, s:o}", "pid", (int)getpid(), "processes", q->processes));
	free(q);
}

static void on_status(void *arg, json_t *reply, const struct peer_error *error)
{
	struct status_part *part = arg;
	if (error == NULL)
		json_object_set(part->process, "detail", reply);
	status_step(part->q);
	free(part);
}

void children_status(struct children *all, void (*done)(void *arg, json_t *status), void *arg)
{
	OBJ_CHECK(all, CHILDREN_MAGIC);
	static const char *const states[] = {"waiting to start", "starting", "up", "stopping", "ended"};
	struct status_question *q = xcalloc(1, sizeof *q);
	*q = (struct status_question){done, arg, json_array(), 1};
	for (int i = 0; i < CHILD_COUNT; i++) {
		struct child *c = &all->list[i];
		json_t *process = json_build("{s:s, s:i, s:s, s:i, s:o}", "name", c->name, "pid", (int)c->pid,
					     "state", states[c->policy.state], "starts", (int)c->starts,
					     "cell", c->pid > 0 ? cell_of(c->pid) : json_object());
		json_array_append_new(q->processes, process);
		if (c->link == NULL || c->policy.state != POLICY_UP)
			continue;
		struct status_part *part = xcalloc(1, sizeof *part);
		*part = (struct status_part){q, process};
		q->pending++;
		peer_ask(link_peer(c->link), MSG_STATUS, json_object(), STATUS_TIMEOUT_MS, on_status, part);
	}
	status_step(q);
}
