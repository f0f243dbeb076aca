#include "lib/base/json_build.h"
#include "lib/base/text.h"
#include "voiced/workers/pool_inside.h"

#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/daemon/confinement.h"
#include "lib/daemon/spawn.h"
#include "voiced/retention/flight_files.h"
#include "voiced/retention/recordings.h"
#include "voiced/workers/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REFILL_MS = 20, REFILL_SHIFT_MAX = 9 /* ten seconds */ };

/* What the agent says first when the conversation goes on after the line was gone for a moment. */
#define GO_ON "Sorry, the line was gone for a moment. Where were we?"

static struct worker *find(struct workers *all, pid_t pid)
{
	struct worker *w;
	LIST_FOREACH (w, &all->list, next)
		if (w->pid == pid)
			return w;
	return NULL;
}

static void on_child(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	struct workers *all = arg;
	pid_t pid;
	int status;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct worker *w = find(all, pid);
		if (w == NULL)
			continue;
		/* Its last events may still lie in the socket. */
		if (w->link != NULL)
			peer_readable(link_peer(w->link));
		worker_end(w, status);
	}
}

void workers_orphan_ended(struct workers *all, pid_t pid, int status)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	struct worker *w = find(all, pid);
	if (w != NULL && !w->ours)
		worker_end(w, status);
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)p;
	worker_message(arg, f, fd);
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	struct worker *w = arg;
	log_debug("callworker %d's connection has ended: %s", (int)w->pid, why);
	worker_link_gone(w);
}

static const struct peer_handler link_events = {NULL, on_message, on_gone, NULL};

/* ---- starting ---- */

static struct worker *new_worker(struct workers *all, struct link *link, pid_t pid, bool ours)
{
	struct worker *w;
	OBJ_ALLOC(w, WORKER_MAGIC);
	w->all = all;
	w->link = link;
	w->pid = pid;
	w->ours = ours;
	w->stream = -1;
	w->landlock = -1;
	LIST_INSERT_HEAD(&all->list, w, next);
	return w;
}

/* The command: callworker itself, or a shell that puts the wrapper before it. */
static pid_t spawn_with(struct workers *all, int control)
{
	const char *wrapper = all->v->config->callworker_wrapper;
	const char *plain[] = {"callworker", TITLE_ROOM_ARGUMENT, NULL};
	char *script = NULL;
	struct spawn s = {.path = all->program,
			  .argv = plain,
			  .fds = {{control, DOOR_CONTROL}},
			  .fd_count = 1,
			  .stdin_fd = -1,
			  .stdout_fd = -1};
	char *path = xasprintf("PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	const char *environment[] = {path, NULL}; /* for the wrapper only */
	if (wrapper[0] != '\0') {
		/* %p is the shell's own id, which the wrapper takes over. */
		struct buffer text = {0};
		for (const char *c = wrapper; *c != '\0'; c++) {
			bool pid = c[0] == '%' && c[1] == 'p';
			buffer_append_text(&text, pid ? "$$" : "");
			buffer_append(&text, c, pid ? 0 : 1);
			c += pid;
		}
		script = xasprintf("exec %.*s \"$0\" \"$1\"", TEXT_SPAN((char *)text.data, text.len));
		buffer_free(&text);
		s.path = "/bin/sh";
		s.envp = environment;
	}
	const char *wrapped[] = {"sh", "-c", script, all->program, TITLE_ROOM_ARGUMENT, NULL};
	if (wrapper[0] != '\0')
		s.argv = wrapped;
	pid_t pid = spawn_program(&s);
	free(script);
	free(path);
	return pid;
}

/* Under a wrapper the process is open: strace and gdb have to be let in. */
static json_t *preparation(const struct workers *all)
{
	const struct config *c = all->v->config;
	bool tls = strncmp(c->openai_websocket_url, "wss:", 4) == 0 ||
		   strncmp(c->elevenlabs_websocket_url, "wss:", 4) == 0 ||
		   strncmp(c->elevenlabs_api_url, "https:", 6) == 0;
	return json_build("{s:b, s:b, s:s, s:i, s:i, s:i}", "confine", c->callworker_wrapper[0] == '\0',
			  "tls", tls, "caFile", c->tls_ca_file, "memoryMb", (int)c->worker_memory_mb,
			  "cpuSeconds", (int)c->worker_cpu_s, "coreMb", (int)c->worker_core_mb);
}

static struct worker *start(struct workers *all)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return NULL;
	pid_t pid = spawn_with(all, pair[1]);
	int saved = errno;
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		errno = saved;
		return NULL;
	}
	struct worker *w = new_worker(all, NULL, pid, true);
	w->link = link_new(all->v->base, pair[0], ROLE_VOICED, ROLE_CALLWORKER, &link_events, w);
	peer_tell(link_peer(w->link), MSG_PREPARE, preparation(all), -1);
	return w;
}

unsigned workers_idle(const struct workers *all)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	unsigned count = 0;
	const struct worker *w;
	LIST_FOREACH (w, &all->list, next)
		count += w->ours && w->call == NULL && w->link != NULL;
	return count;
}

unsigned workers_busy(const struct workers *all)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	unsigned count = 0;
	const struct worker *w;
	LIST_FOREACH (w, &all->list, next)
		count += w->call != NULL || w->late != NULL;
	return count;
}

/* Keeps WARM_WORKERS ready, off the path of a call that is just beginning. */
static void refill(void *arg)
{
	struct workers *all = arg;
	/* Under a wrapper each process is to be one call's. */
	unsigned wanted = all->v->config->callworker_wrapper[0] ? 0 : all->v->config->warm_workers;
	if (all->closing || all->v->draining || workers_idle(all) >= wanted)
		return;
	if (start(all) == NULL) {
		log_error("a callworker cannot be started: %s", strerror(errno));
		return;
	}
	if (workers_idle(all) < wanted)
		timer_start(&all->refill, all->v->base, REFILL_MS, refill, all);
}

void workers_refill(struct workers *all)
{
	/* A program that cannot run is tried ever more slowly. */
	unsigned shift = all->false_starts < REFILL_SHIFT_MAX ? all->false_starts : REFILL_SHIFT_MAX;
	if (!all->closing && !timer_running(&all->refill))
		timer_start(&all->refill, all->v->base, REFILL_MS << shift, refill, all);
}

static struct worker *take_idle(struct workers *all)
{
	struct worker *w;
	LIST_FOREACH (w, &all->list, next)
		if (w->ours && w->call == NULL && w->link != NULL)
			return w;
	return start(all);
}

static json_t *assignment(struct workers *all, struct call *call)
{
	const struct config *config = all->v->config;
	bool openai = strcmp(call_text(call, "voiceProvider"), "openai") == 0;
	bool resuming = json_array_size(call_history(call)) > 0;
	const json_t *silence = call_value(call, "silenceSeconds");
	char *prompt = prompt_make(all->v->prompts, call);
	json_t *body = json_build(
		"{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:s, s:I, s:i, s:s, s:I, s:s, s:s}",
		"callId", call_id(call), "attempt", (json_int_t)call_attempt(call), "callSid", call_sid(call),
		"callType", call_is_inbound(call) ? "incoming" : "outgoing", "provider",
		call_text(call, "voiceProvider"), "prompt", prompt, "voice",
		call_text(call, openai ? "voice" : "elevenLabsVoiceId"), "fromNumber",
		call_text(call, "fromNumber"), "toNumber", call_text(call, "toNumber"), "firstMessage",
		call_text(call, "goOn")[0] ? call_text(call, "goOn") : GO_ON, "history", call_history(call),
		"transferNumber", call_text(call, "transferNumber"), "silenceSeconds",
		json_is_integer(silence) ? json_integer_value(silence) : (json_int_t)config->silence_s,
		"operatorSeconds", (int)config->operator_s, "transcriptionModel",
		config->openai_transcription_model, "recordingFromMs",
		(json_int_t)(resuming ? call_age_ms(call) : 0), "logLevel", config->log_level, "logFormat",
		config->log_format);
	if (json_is_object(call_value(call, "outcomeSchema")))
		json_object_set(body, "outcomeSchema", call_value(call, "outcomeSchema"));
	free(prompt);
	return body;
}

/* Where the next voiced finds it. Without one the call would end with this voiced. */
static void name_worker(struct worker *w)
{
	struct workers *all = w->all;
	w->name = (struct worker_name){.attempt = w->attempt, .pid = w->pid};
	snprintf(w->name.call_id, sizeof w->name.call_id, "%s", call_id(w->call));
	int fd = worker_sockets_make(all->sockets, &w->name);
	w->named = fd >= 0;
	if (w->named)
		peer_tell(link_peer(w->link), MSG_LISTENER, json_object(), fd);
	else
		log_call(LOG_SEV_ERROR, call_sid(w->call),
			 "the call will not survive an end of voiced: no socket in RUN_DIR/workers: %s",
			 strerror(errno));
}

void workers_serve(struct workers *all, struct call *call, int fd)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	struct worker *w = take_idle(all);
	if (w == NULL) {
		log_call(LOG_SEV_ERROR, call_sid(call), "no callworker can be started: %s", strerror(errno));
		call_set_error(call, "no process could be started for the call", true);
		close(fd);
		return;
	}
	w->call = call;
	w->attempt = call_attempt(call);
	w->stream = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	call_set_worker(call, w);
	name_worker(w);
	int recording = recordings_open(all->v, call);
	if (recording >= 0)
		peer_tell(link_peer(w->link), MSG_RECORD, json_object(), recording);
	int flight = flights_open(all->v, call);
	if (flight != FLIGHTS_LEFT_OUT)
		peer_tell(link_peer(w->link), MSG_FLIGHT, json_object(), flight);
	peer_tell(link_peer(w->link), MSG_ASSIGN, assignment(all, call), fd);
	worker_watch(w);
	worker_tell_agent(call);
	workers_refill(all);
}

void workers_acknowledge(struct workers *all, pid_t pid, int64_t seq, int64_t limit)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	struct worker *w = find(all, pid);
	if (w != NULL && w->link != NULL)
		worker_stored(w, seq, limit);
}

static void on_found(void *arg, const struct worker_name *name, int fd)
{
	struct workers *all = arg;
	struct worker *w = new_worker(all, NULL, name->pid, false);
	w->name = *name;
	w->named = w->prepared = true;
	w->attempt = name->attempt;
	w->link = link_new(all->v->base, fd, ROLE_VOICED, ROLE_CALLWORKER, &link_events, w);
	worker_rejoin(w);
}

void workers_rejoin(struct workers *all)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	worker_sockets_each(all->sockets, on_found, all);
}

json_t *workers_list(const struct workers *all)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	json_t *list = json_array();
	const struct worker *w;
	LIST_FOREACH (w, &all->list, next) {
		if (w->pid == 0)
			continue; /* its end is known, and told */
		json_t *cell = cell_of(w->pid);
		if (w->landlock >= 0)
			json_object_set_new(cell, "landlock", json_integer(w->landlock));
		json_array_append_new(list, json_build("{s:i, s:s?, s:s, s:o}", "pid", (int)w->pid, "callSid",
						       w->call ? call_sid(w->call) : NULL, "state",
						       w->call ? "serving" : "idle", "cell", cell));
	}
	return list;
}

/* One of an attempt before the last may still have something to tell of it. */
static void on_call_leaves(struct call *call, void *arg)
{
	struct workers *all = arg;
	struct worker *w;
	LIST_FOREACH (w, &all->list, next)
		if (w->call == call) {
			w->call = NULL;
			w->late = xstrdup(call_id(call));
		}
}

struct workers *workers_new(struct voiced *v)
{
	struct workers *all;
	OBJ_ALLOC(all, WORKERS_MAGIC);
	all->v = v;
	/* A wrapper is another program, to which a descriptor of ours means nothing. */
	all->program = v->config->callworker_wrapper[0] ? spawn_sibling_by_name("callworker")
							: spawn_sibling("callworker");
	all->sockets = worker_sockets_open(v->config->run_dir);
	if (all->sockets == NULL) {
		log_error("RUN_DIR %s: workers/ cannot be used: %s", v->config->run_dir, strerror(errno));
		free(all->program);
		OBJ_FREE(all);
		return NULL;
	}
	LIST_INIT(&all->list);
	calls_on_leave(v->calls, on_call_leaves, all);
	all->child = evsignal_new(v->base, SIGCHLD, on_child, all);
	evsignal_add(all->child, NULL);
	timer_start(&all->refill, v->base, 0, refill, all);
	return all;
}

void workers_free(struct workers **ww)
{
	struct workers *all = *ww;
	if (all == NULL)
		return;
	OBJ_CHECK(all, WORKERS_MAGIC);
	all->closing = true;
	calls_on_leave(all->v->calls, NULL, NULL);
	timer_stop(&all->refill);
	/* The streams stay open in the workers: no close frames. */
	while (!LIST_EMPTY(&all->list))
		worker_forget(LIST_FIRST(&all->list));
	event_free(all->child);
	free(all->program);
	worker_sockets_close(&all->sockets);
	OBJ_FREE(all);
	*ww = NULL;
}
