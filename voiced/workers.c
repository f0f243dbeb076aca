#include "voiced/workers.h"

#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/daemon/cell.h"
#include "lib/daemon/link.h"
#include "lib/daemon/spawn.h"
#include "lib/loop/loop.h"
#include "voiced/agent.h"
#include "voiced/events.h"
#include "voiced/flights.h"
#include "voiced/load.h"
#include "voiced/prompt.h"
#include "voiced/recordings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MAGIC 0x776b7273u
#define WORKER_MAGIC 0x776f726bu

enum {
	REFILL_MS = 20,
	ASK_TIMEOUT_MS = 5000,
	BURIAL_MS = 200,
	STATUS_UNKNOWN = -1, /* how it ended, nobody told */
};

/* What the agent says first when the conversation goes on after the line was gone for a moment. */
#define GO_ON "Sorry, the line was gone for a moment. Where were we?"

struct worker {
	unsigned magic;
	LIST_ENTRY(worker) next;
	struct workers *all;
	struct link *link; /* NULL: its end is known, its exit is not, yet */
	pid_t pid;
	bool ours;         /* our child, not an earlier voiced's */
	struct call *call; /* NULL: idle, or not announced yet */
	int64_t attempt;
	int64_t stored, acknowledged; /* the last of its events that is; that it knows of */
	char *late; /* the id of a call that is over: only its last events are still to come */
	struct timer burial;
	int64_t landlock; /* -1: not told, or to an earlier voiced */
	int stream;       /* a duplicate of the stream's descriptor, never read; -1: none */
};

struct workers {
	unsigned magic;
	struct voiced *v;
	char *program, *socket;
	struct event *child;
	struct timer refill;
	LIST_HEAD(, worker) list;
	bool closing;
};

static void refill(void *arg);

/* ---- the end of a worker ---- */

/*
 * The carrier goes on with the next verb when the WebSocket is closed properly;
 * a killed process leaves a reset. So a close frame (RFC 6455, 5.5.1: code
 * 1011) is sent on the duplicate of its descriptor before that is closed.
 */
static void close_stream(struct worker *w)
{
	static const unsigned char close_frame[] = {0x88, 0x02, 0x03, 0xf3};
	if (w->stream < 0)
		return;
	if (send(w->stream, close_frame, sizeof close_frame, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		shutdown(w->stream, SHUT_WR);
	fd_close(&w->stream);
}

static void describe_exit(int status, char *out, size_t size)
{
	if (status == STATUS_UNKNOWN)
		snprintf(out, size, "the call's process has ended");
	else if (WIFSIGNALED(status))
		snprintf(out, size, "the call's process was ended by SIG%s (signal %d)%s",
			 sigabbrev_np(WTERMSIG(status)), WTERMSIG(status),
			 WCOREDUMP(status) ? ", a core was written" : "");
	else
		snprintf(out, size, "the call's process ended with exit code %d", WEXITSTATUS(status));
}

static void obituary(struct worker *w, int status)
{
	char words[128];
	describe_exit(status, words, sizeof words);
	struct call *call = w->call;
	/* One that had told everything closed the line itself. */
	bool clean = status == STATUS_UNKNOWN ? call == NULL || call_is_over(call) || call_is_ending(call)
					      : WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (call == NULL) {
		if (!clean && !w->all->closing)
			log_warn("an idle callworker has ended: %s", words);
		return;
	}
	if (clean)
		return;
	log_call(LOG_SEV_ERROR, call_sid(call), "%s; the line is kept and a new one is started", words);
	json_t *data = json_pack("{s:s, s:i}", "reason", words, "pid", (int)w->pid);
	if (status != STATUS_UNKNOWN && WIFSIGNALED(status))
		json_object_set_new(data, "signal", json_integer(WTERMSIG(status)));
	call_note(call, "worker-died", data);
	call_set_error(call, words, false);
	call_save(call, NULL, NULL);
}

static void end_worker(struct worker *w, int status)
{
	obituary(w, status);
	close_stream(w);
	timer_stop(&w->burial);
	link_free(&w->link);
	LIST_REMOVE(w, next);
	free(w->late);
	struct call *call = w->call;
	struct workers *all = w->all;
	if (call != NULL && call_worker(call) == w)
		call_set_worker(call, NULL);
	OBJ_FREE(w);
	if (!all->closing && !timer_running(&all->refill))
		timer_start(&all->refill, all->v->base, REFILL_MS, refill, all);
	load_tell(all->v);
}

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
		end_worker(w, status);
	}
}

void workers_orphan_ended(struct workers *all, pid_t pid, int status)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	struct worker *w = find(all, pid);
	if (w != NULL && !w->ours)
		end_worker(w, status);
}

/* ---- what workers say ---- */

static void on_event(struct worker *w, const struct frame *f)
{
	if (w->call != NULL)
		events_take(w->all->v, w->call, w->attempt, f->body);
	else if (w->late != NULL)
		events_take_late(w->all->v, w->late, w->attempt, w->pid, f->body);
	else
		log_warn("callworker %d tells an event of no call", (int)w->pid);
}

static void on_cell(struct worker *w, const struct frame *f)
{
	struct json_reader r;
	json_read_open(&r, f->body);
	json_read_int(&r, "landlock", JSON_NEEDED, 0, 1000, &w->landlock);
}

static void on_told(void *arg, json_t *reply, const struct peer_error *error)
{
	(void)arg;
	(void)reply;
	(void)error;
}

static void on_announce(struct worker *w, const struct frame *f)
{
	const char *id = "";
	bool needs_agent = false;
	struct json_reader r;
	json_read_open(&r, f->body);
	json_read_text(&r, "callId", JSON_NEEDED, 1, 64, &id);
	json_read_int(&r, "attempt", JSON_NEEDED, 0, 1000, &w->attempt);
	json_read_bool(&r, "needsAgent", JSON_NEEDED, &needs_agent);
	json_read_close(&r, JSON_KNOWN_ONLY);
	struct call *call = json_read_ok(&r) ? calls_by_id(w->all->v->calls, id) : NULL;
	if (call == NULL && json_read_ok(&r)) {
		log_info("callworker %d comes with the last events of a call that is over", (int)w->pid);
		free(w->late);
		w->late = xstrdup(id);
		peer_ask(link_peer(w->link), MSG_WORKER_HANGUP, json_object(), ASK_TIMEOUT_MS, on_told, NULL);
	}
	if (call == NULL)
		return;
	w->call = call;
	if (call_worker(call) == NULL)
		call_set_worker(call, w);
	log_call(LOG_SEV_INFO, call_sid(call), "callworker %d is back", (int)w->pid);
	if (needs_agent)
		agent_prepare(w->all->v, call);
}

void worker_message(struct worker *w, const struct frame *f, int fd)
{
	OBJ_CHECK(w, WORKER_MAGIC);
	switch (f->type) {
	case MSG_EVENT:
		on_event(w, f);
		break;
	case MSG_ANNOUNCE:
		on_announce(w, f);
		break;
	case MSG_CELL:
		on_cell(w, f);
		break;
	case MSG_STREAM:
		fd_close(&w->stream);
		w->stream = fd;
		return;
	default:
		break;
	}
	fd_close(&fd);
}

/* Ended, though nobody may have waited for it yet: pidfd_open(2). */
static bool has_ended(pid_t pid)
{
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	if (p.fd < 0)
		return errno == ESRCH;
	bool ended = poll(&p, 1, 0) == 1;
	close(p.fd);
	return ended;
}

static void bury(void *arg)
{
	struct worker *w = arg;
	if (has_ended(w->pid))
		end_worker(w, STATUS_UNKNOWN);
	else
		timer_start(&w->burial, w->all->v->base, BURIAL_MS, bury, w);
}

void worker_link_gone(struct worker *w)
{
	OBJ_CHECK(w, WORKER_MAGIC);
	link_free(&w->link);
	/*
	 * A child's exit is still to come; an orphan's too, if its parent is the
	 * supervisor that tells us. It is not when that one has died meanwhile.
	 */
	if (!w->ours)
		timer_start(&w->burial, w->all->v->base, BURIAL_MS, bury, w);
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)p;
	worker_message(arg, f, fd);
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)why;
	worker_link_gone(arg);
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
		script = xasprintf("exec %.*s \"$0\" \"$1\"", (int)text.len, (char *)text.data);
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
	return json_pack("{s:b, s:b, s:s, s:i, s:i, s:i}", "confine", c->callworker_wrapper[0] == '\0', "tls",
			 tls, "caFile", c->tls_ca_file, "memoryMb", (int)c->worker_memory_mb, "cpuSeconds",
			 (int)c->worker_cpu_s, "coreMb", (int)c->worker_core_mb);
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
	json_t *body = json_pack(
		"{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:s, s:I, s:i, s:I, s:s, s:s, s:s}",
		"callId", call_id(call), "attempt", (json_int_t)call_attempt(call), "callSid", call_sid(call),
		"callType", call_is_inbound(call) ? "incoming" : "outgoing", "provider",
		call_text(call, "voiceProvider"), "prompt", prompt, "voice",
		call_text(call, openai ? "voice" : "elevenLabsVoiceId"), "fromNumber",
		call_text(call, "fromNumber"), "toNumber", call_text(call, "toNumber"), "firstMessage",
		call_text(call, "goOn")[0] ? call_text(call, "goOn") : GO_ON, "history", call_history(call),
		"transferNumber", call_text(call, "transferNumber"), "silenceSeconds",
		json_is_integer(silence) ? json_integer_value(silence) : (json_int_t)config->silence_s,
		"operatorSeconds", (int)config->operator_s, "recordingFromMs",
		(json_int_t)(resuming ? call_age_ms(call) : 0), "socket", all->socket, "logLevel",
		config->log_level, "logFormat", config->log_format);
	if (json_is_object(call_value(call, "outcomeSchema")))
		json_object_set(body, "outcomeSchema", call_value(call, "outcomeSchema"));
	free(prompt);
	return body;
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
	int recording = recordings_open(all->v, call);
	if (recording >= 0)
		peer_tell(link_peer(w->link), MSG_RECORD, json_object(), recording);
	int flight = flights_open(all->v, call);
	if (flight != FLIGHTS_LEFT_OUT)
		peer_tell(link_peer(w->link), MSG_FLIGHT, json_object(), flight);
	peer_tell(link_peer(w->link), MSG_ASSIGN, assignment(all, call), fd);
	worker_tell_agent(call);
	if (!timer_running(&all->refill))
		timer_start(&all->refill, all->v->base, REFILL_MS, refill, all);
}

void worker_tell_agent(struct call *call)
{
	struct worker *w = call_worker(call);
	enum call_agent agent = call_agent(call);
	if (w == NULL || w->link == NULL || (agent != AGENT_READY && agent != AGENT_REFUSED))
		return;
	json_t *body = json_pack("{s:s}", agent == AGENT_READY ? "url" : "error", call_agent_text(call));
	if (agent == AGENT_READY && call_agent_address(call)[0] != '\0')
		json_object_set_new(body, "address", json_string(call_agent_address(call)));
	const char *key = w->all->v->config->openai_api_key;
	if (agent == AGENT_READY && strcmp(call_text(call, "voiceProvider"), "openai") == 0 &&
	    key[0] != '\0') {
		char *header = xasprintf("Authorization: Bearer %s", key);
		json_object_set_new(body, "header", json_string(header));
		free(header);
	}
	peer_tell(link_peer(w->link), MSG_AGENT, body, -1);
}

static void acknowledge(struct worker *w, int64_t seq, int64_t limit)
{
	if (seq > w->stored)
		w->stored = seq;
	int64_t up_to = w->stored < limit ? w->stored : limit;
	if (up_to > w->acknowledged)
		peer_tell(link_peer(w->link), MSG_EVENT_ACK, json_pack("{s:I}", "seq", (json_int_t)up_to),
			  -1);
	w->acknowledged = up_to > w->acknowledged ? up_to : w->acknowledged;
}

void worker_acknowledge(struct call *call, int64_t attempt, int64_t seq, int64_t limit)
{
	struct worker *w = call_worker(call);
	if (w != NULL && w->link != NULL && w->attempt == attempt)
		acknowledge(w, seq, limit);
}

void workers_acknowledge(struct workers *all, pid_t pid, int64_t seq, int64_t limit)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	struct worker *w = find(all, pid);
	if (w != NULL && w->link != NULL)
		acknowledge(w, seq, limit);
}

void worker_ask(struct call *call, enum message type, json_t *body, peer_answer_fn *fn, void *arg)
{
	struct worker *w = call_worker(call);
	if (w == NULL || w->link == NULL) {
		struct peer_error error = {"not_live", "The call is not live (yet, or any more).", 409};
		json_decref(body);
		fn(arg, NULL, &error);
		return;
	}
	peer_ask(link_peer(w->link), type, body, ASK_TIMEOUT_MS, fn, arg);
}

struct retiring {
	struct voiced *v;
	char *call_id;
};

/* What it told before has come before. */
static void on_retired(void *arg, json_t *reply, const struct peer_error *error)
{
	(void)reply;
	(void)error;
	struct retiring *r = arg;
	struct call *call = calls_by_id(r->v->calls, r->call_id);
	if (call != NULL)
		call_set_retiring(call, false);
	free(r->call_id);
	free(r);
}

void worker_retire(struct call *call)
{
	struct worker *w = call_worker(call);
	if (w == NULL)
		return;
	struct retiring *r = xcalloc(1, sizeof *r);
	*r = (struct retiring){w->all->v, xstrdup(call_id(call))};
	call_set_retiring(call, true);
	worker_ask(call, MSG_WORKER_HANGUP, json_object(), on_retired, r);
}

struct worker *workers_adopt(struct workers *all, struct link *link, pid_t pid)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	return new_worker(all, link, pid, false);
}

json_t *workers_list(const struct workers *all)
{
	OBJ_CHECK(all, WORKERS_MAGIC);
	json_t *list = json_array();
	const struct worker *w;
	LIST_FOREACH (w, &all->list, next) {
		json_t *cell = cell_of(w->pid);
		if (w->landlock >= 0)
			json_object_set_new(cell, "landlock", json_integer(w->landlock));
		json_array_append_new(list, json_pack("{s:i, s:s?, s:s, s:o}", "pid", (int)w->pid, "callSid",
						      w->call ? call_sid(w->call) : NULL, "state",
						      w->call ? "serving" : "idle", "cell", cell));
	}
	return list;
}

struct workers *workers_new(struct voiced *v)
{
	struct workers *all;
	OBJ_ALLOC(all, WORKERS_MAGIC);
	all->v = v;
	/* A wrapper is another program, to which a descriptor of ours means nothing. */
	all->program = v->config->callworker_wrapper[0] ? spawn_sibling_by_name("callworker")
							: spawn_sibling("callworker");
	all->socket = config_run_path(v->config, SOCKET_VOICED);
	LIST_INIT(&all->list);
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
	timer_stop(&all->refill);
	struct worker *w;
	while ((w = LIST_FIRST(&all->list)) != NULL) {
		/* The stream stays open in the worker: no close frame. */
		fd_close(&w->stream);
		timer_stop(&w->burial);
		struct call *call = w->call;
		link_free(&w->link);
		LIST_REMOVE(w, next);
		free(w->late);
		OBJ_FREE(w);
		if (call != NULL)
			call_set_worker(call, NULL);
	}
	event_free(all->child);
	free(all->program);
	free(all->socket);
	OBJ_FREE(all);
	*ww = NULL;
}
