#include "mcpd/daemon_client.h"

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"
#include "lib/daemon/peer_link.h"
#include "lib/daemon/privileges.h"
#include "lib/daemon/spawn.h"
#include "lib/loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define BACKEND_MAGIC 0x6261636bu

enum {
	ASK_TIMEOUT_MS = 25000,  /* clients give a tool 60 s, some 30 */
	WAIT_TIMEOUT_MS = 58000, /* for phony_wait_for_call, which has a time of its own */
	START_TIMEOUT_MS = 20000,
	RETRY_MS = 50,
	AGAIN_MS = 1000, /* for another's instance to be there, when ours has ended */
};

/* A question that cannot be asked yet. */
struct waiting {
	STAILQ_ENTRY(waiting) next;
	struct way *way;
	struct timer deadline;
	enum message type;
	json_t *args;
	peer_answer_fn *fn;
	void *arg;
};

/* The way to one daemon. */
struct way {
	struct backend *backend;
	enum role role;
	const char *socket;
	struct link *link;
	STAILQ_HEAD(, waiting) queue; /* until the hello */
};

struct backend {
	unsigned magic;
	struct event_base *base;
	const char *config_file;
	struct config config;
	bool brings_up, loaded, starting, subscribed;
	backend_news_fn *news;
	void *news_arg;
	struct way voiced, smsd; /* voiced: the instance is there while it is */
	int ready_fd;            /* of an instance that we bring up */
	struct event *ready;
	struct mono_us again;  /* when it may be tried again, if it has ended */
	char last_words[512];  /* what it said last */
	struct timer work;     /* what was asked since is looked at */
	struct timer retry;    /* to connect to the instance that is to be there */
	struct timer reattach; /* to a daemon that has gone away */
	struct timer deadline; /* for the instance to be there */
};

static void connect_or_start(struct backend *b);
static bool bring_up(struct backend *b, char *why, size_t size);
static void on_retry(void *arg);

static bool anybody_waits(const struct backend *b)
{
	return !STAILQ_EMPTY(&b->voiced.queue) || !STAILQ_EMPTY(&b->smsd.queue);
}

static int timeout_of(enum message type)
{
	return type == MSG_WAIT_CALL ? WAIT_TIMEOUT_MS : ASK_TIMEOUT_MS;
}

/* It leaves the queue; its owner is who called. */
static void end_waiting(struct waiting *w)
{
	STAILQ_REMOVE(&w->way->queue, w, waiting, next);
	timer_stop(&w->deadline);
}

static void fail_way(struct way *way, const char *message)
{
	struct waiting *w;
	struct peer_error error = {"unavailable", message, 503};
	while ((w = STAILQ_FIRST(&way->queue)) != NULL) {
		end_waiting(w);
		w->fn(w->arg, NULL, &error);
		json_decref(w->args);
		free(w);
	}
}

/* The daemon has taken the connection, and says nothing. */
static void on_waited(void *arg)
{
	struct waiting *w = arg;
	struct peer_error error = {"timeout", "phony does not answer; try again.", 504};
	end_waiting(w);
	w->fn(w->arg, NULL, &error);
	json_decref(w->args);
	free(w);
}

static void fail_queue(struct backend *b, const char *message)
{
	fail_way(&b->voiced, message);
	fail_way(&b->smsd, message);
}

static void flush_queue(struct way *way)
{
	struct waiting *w;
	while ((w = STAILQ_FIRST(&way->queue)) != NULL) {
		end_waiting(w);
		peer_ask(link_peer(way->link), w->type, w->args, timeout_of(w->type), w->fn, w->arg);
		free(w);
	}
}

static void stop_starting(struct backend *b)
{
	if (b->ready != NULL)
		event_free(b->ready);
	b->ready = NULL;
	fd_close(&b->ready_fd);
	b->starting = false;
}

static void on_deadline(void *arg)
{
	struct backend *b = arg;
	char message[700];
	text_printf(message, sizeof message, "phony did not come up in time. %s%sSee %s/phony.log.",
		    b->last_words, b->last_words[0] ? " " : "", b->config.state_dir);
	stop_starting(b);
	timer_stop(&b->retry);
	if (b->voiced.link != NULL && peer_role(link_peer(b->voiced.link)) == 0)
		link_free(&b->voiced.link); /* it took the connection, and said nothing */
	fail_queue(b, message);
}

static bool try_connect(struct way *way);

static void on_hello(struct peer *p, enum role role, pid_t pid, void *arg)
{
	(void)pid;
	struct way *way = arg;
	struct backend *b = way->backend;
	if (role == ROLE_VOICED) {
		if (b->subscribed)
			peer_tell(p, MSG_SUBSCRIBE, json_object(), -1);
		stop_starting(b);
		timer_stop(&b->deadline);
		/* The doors are all there since the instance is. */
		if (!STAILQ_EMPTY(&b->smsd.queue) && b->smsd.link == NULL && !try_connect(&b->smsd))
			fail_way(&b->smsd, "phony's part for messages cannot be reached; try again.");
	}
	flush_queue(way);
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)p;
	struct way *way = arg;
	fd_close(&fd);
	if (f->type == MSG_NEWS && way->backend->news != NULL)
		way->backend->news(way->backend->news_arg, f->body);
}

static void on_reattach(void *arg)
{
	struct backend *b = arg;
	if (b->voiced.link == NULL && b->starting)
		on_retry(b);
	else if (b->voiced.link == NULL)
		connect_or_start(b);
	else if (b->smsd.link == NULL && !STAILQ_EMPTY(&b->smsd.queue))
		try_connect(&b->smsd);
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	struct way *way = arg;
	struct backend *b = way->backend;
	log_info("%s has gone away: %s", role_name(way->role), why);
	link_free(&way->link);
	/* It is being started again: stay attached, so that the instance stays. */
	if (anybody_waits(b) || (b->subscribed && way->role == ROLE_VOICED))
		timer_start(&b->reattach, b->base, RETRY_MS, on_reattach, b);
}

static const struct peer_handler events = {on_hello, on_message, on_gone, NULL};

static bool try_connect(struct way *way)
{
	struct backend *b = way->backend;
	char *path = config_run_path(&b->config, way->socket);
	int fd = fd_unix_connect(path);
	free(path);
	if (fd < 0)
		return false;
	way->link = link_new(b->base, fd, ROLE_MCPD, way->role, &events, way);
	return true;
}

static void on_retry(void *arg)
{
	struct backend *b = arg;
	if (b->voiced.link != NULL || try_connect(&b->voiced))
		return;
	if (b->starting && b->ready == NULL &&
	    mono_now().us > b->again.us) /* whichever there was, it is gone */
		bring_up(b, b->last_words, sizeof b->last_words);
	timer_start(&b->retry, b->base, RETRY_MS, on_retry, b);
}

/* "ready", or "waiting: …", or the end: another instance won, or it could not start. */
static void on_ready_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct backend *b = arg;
	char line[sizeof b->last_words];
	ssize_t n = read(fd, line, sizeof line - 1);
	if (n > 0) {
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "waiting: ", 9) == 0)
			snprintf(b->last_words, sizeof b->last_words, "%s", line + 9);
	} else if (n == 0 || errno != EAGAIN) {
		event_free(b->ready);
		b->ready = NULL;
		fd_close(&b->ready_fd);
		b->again = (struct mono_us){mono_now().us + AGAIN_MS * INT64_C(1000)};
	}
	on_retry(b);
}

static int open_log(struct backend *b)
{
	char *path = config_state_path(&b->config, "phony.log");
	privileges_as_user(&b->config);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	privileges_as_root();
	free(path);
	return fd;
}

/* Starts an instance of its own session, which outlives us. Two that start at once end up with one. */
static bool bring_up(struct backend *b, char *why, size_t size)
{
	int ready[2];
	const char *argv[] = {"phony",        "run", "--idle-exit", b->config_file ? "--config" : NULL,
			      b->config_file, NULL};
	if (!privileges_make_dirs(&b->config, why, size))
		return false;
	if (pipe2(ready, O_CLOEXEC) != 0) {
		text_printf(why, size, "%s", strerror(errno));
		return false;
	}
	int log = open_log(b);
	char *path = spawn_sibling("phony");
	struct spawn s = {.path = path,
			  .argv = argv,
			  .envp = (const char *const *)environ,
			  .fds = {{ready[1], "ready"}},
			  .fd_count = 1,
			  .own_session = true,
			  .stdin_fd = -1,
			  .stdout_fd = log > 0 ? log : -1,
			  .stderr_fd = log > 0 ? log : -1};
	pid_t pid = spawn_program(&s);
	if (pid < 0)
		text_printf(why, size, "%s: %s", path, strerror(errno));
	free(path);
	fd_close(&log);
	close(ready[1]);
	if (pid < 0) {
		close(ready[0]);
		return false;
	}
	log_info("no phony is running: one is brought up (pid %d)", (int)pid);
	b->ready_fd = ready[0];
	fd_set_nonblock(b->ready_fd, true);
	b->ready = event_new(b->base, b->ready_fd, EV_READ | EV_PERSIST, on_ready_readable, b);
	event_add(b->ready, NULL);
	b->starting = true;
	b->last_words[0] = '\0';
	return true;
}

static bool load_config(struct backend *b)
{
	struct buffer faults = {0};
	char message[2200];
	config_free(&b->config);
	unsigned count = config_load(&b->config, b->config_file, &faults);
	count += config_require_telephony(&b->config, &faults);
	b->loaded = count == 0;
	if (count > 0) {
		text_printf(
			message, sizeof message,
			"phony is not configured:\n%.*sSet these in the client's configuration (env) or in "
			"/etc/phony/phony.env.",
			TEXT_CUT((char *)faults.data, faults.len < 2000 ? faults.len : 2000));
		fail_queue(b, message);
	}
	buffer_free(&faults);
	return count == 0;
}

static void connect_or_start(struct backend *b)
{
	if (b->voiced.link != NULL || b->starting)
		return;
	if (!b->loaded && !load_config(b))
		return;
	if (!timer_running(&b->deadline))
		timer_start(&b->deadline, b->base, START_TIMEOUT_MS, on_deadline, b);
	if (try_connect(&b->voiced))
		return;
	char why[400];
	if (b->brings_up && !bring_up(b, why, sizeof why)) {
		char message[600];
		text_printf(message, sizeof message, "phony could not be started: %s", why);
		timer_stop(&b->deadline);
		fail_queue(b, message);
		return;
	}
	timer_start(&b->retry, b->base, RETRY_MS, on_retry, b);
}

bool backend_confirms(struct backend *b)
{
	OBJ_CHECK(b, BACKEND_MAGIC);
	return (b->loaded || load_config(b)) && b->config.confirm_calls;
}

static void on_work(void *arg)
{
	struct backend *b = arg;
	if (anybody_waits(b))
		on_reattach(b);
	else if (b->subscribed && b->voiced.link == NULL)
		connect_or_start(b);
}

/* From the loop: whoever asks is told nothing before it has returned. */
static void work_soon(struct backend *b)
{
	timer_start(&b->work, b->base, 0, on_work, b);
}

static void init_way(struct way *way, struct backend *b, enum role role, const char *socket)
{
	*way = (struct way){.backend = b, .role = role, .socket = socket};
	STAILQ_INIT(&way->queue);
}

struct backend *backend_new(struct event_base *base, const char *config_file, bool bring_up)
{
	struct backend *b;
	OBJ_ALLOC(b, BACKEND_MAGIC);
	b->base = base;
	b->config_file = config_file;
	b->brings_up = bring_up;
	b->ready_fd = -1;
	init_way(&b->voiced, b, ROLE_VOICED, SOCKET_VOICED);
	init_way(&b->smsd, b, ROLE_SMSD, SOCKET_SMSD);
	return b;
}

/* Whose the question is: voiced's, unless only smsd takes it. */
static struct way *way_of(struct backend *b, enum message type)
{
	struct frame f = {.type = (uint16_t)type, .id = 1};
	return message_allowed(&f, ROLE_MCPD, ROLE_VOICED) ? &b->voiced : &b->smsd;
}

void backend_ask(struct backend *b, enum message type, json_t *args, peer_answer_fn *fn, void *arg)
{
	OBJ_CHECK(b, BACKEND_MAGIC);
	struct way *way = way_of(b, type);
	if (way->link != NULL && peer_role(link_peer(way->link)) != 0) {
		peer_ask(link_peer(way->link), type, args, timeout_of(type), fn, arg);
		return;
	}
	struct waiting *w = xcalloc(1, sizeof *w);
	*w = (struct waiting){.way = way, .type = type, .args = args, .fn = fn, .arg = arg};
	STAILQ_INSERT_TAIL(&way->queue, w, next);
	timer_start(&w->deadline, b->base, ASK_TIMEOUT_MS, on_waited, w);
	work_soon(b);
}

void backend_on_news(struct backend *b, backend_news_fn *fn, void *arg)
{
	OBJ_CHECK(b, BACKEND_MAGIC);
	b->news = fn;
	b->news_arg = arg;
}

void backend_subscribe(struct backend *b)
{
	OBJ_CHECK(b, BACKEND_MAGIC);
	if (b->subscribed)
		return;
	b->subscribed = true;
	if (b->voiced.link != NULL && peer_role(link_peer(b->voiced.link)) != 0)
		peer_tell(link_peer(b->voiced.link), MSG_SUBSCRIBE, json_object(), -1);
	else
		work_soon(b);
}

static void stop_timers(struct backend *b)
{
	timer_stop(&b->work);
	timer_stop(&b->retry);
	timer_stop(&b->reattach);
	timer_stop(&b->deadline);
}

void backend_rest(struct backend *b)
{
	OBJ_CHECK(b, BACKEND_MAGIC);
	if (anybody_waits(b))
		return;
	b->subscribed = false;
	stop_timers(b);
	link_free(&b->voiced.link);
	link_free(&b->smsd.link);
}

void backend_free(struct backend **bb)
{
	struct backend *b = *bb;
	if (b == NULL)
		return;
	OBJ_CHECK(b, BACKEND_MAGIC);
	fail_queue(b, "The client has ended.");
	stop_starting(b);
	stop_timers(b);
	link_free(&b->voiced.link);
	link_free(&b->smsd.link);
	config_free(&b->config);
	OBJ_FREE(b);
	*bb = NULL;
}
