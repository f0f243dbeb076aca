#include "lib/base/json_build.h"
#include "lib/base/text.h"
#include "voiced/workers/pool_inside.h"

#include "lib/base/fd.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "voiced/calls/worker_events.h"
#include "voiced/load_report.h"
#include "voiced/workers/agent_address.h"
#include "voiced/workers/agent_connection.h"
#include "voiced/workers/resolver.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ASK_TIMEOUT_MS = 5000,
	BURIAL_MS = 200,
	/* Workers that end before their call's stream has begun: so many, each later than the one before. */
	FALSE_STARTS_MAX = 3,
	FALSE_START_MS = 250,
};

/* ---- its end ---- */

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

/* What a shell says by its exit code (POSIX, 2.8.2). */
static const char *shell_says(int code)
{
	return code == 127 ? ", there is no such command" : code == 126 ? ", it cannot be executed" : "";
}

static void describe_exit(const struct worker *w, int status, char *out, size_t size)
{
	const char *wrapper = w->all->v->config->callworker_wrapper;
	char who[100] = "the call's process";
	/* Under a wrapper that is what ends, as long as no callworker has said a word. */
	bool wrapped = wrapper[0] != '\0' && !w->prepared;
	if (wrapped)
		text_printf(who, sizeof who, "CALLWORKER_WRAPPER (%.*s)", TEXT_CUT(wrapper, 60));
	if (status == STATUS_UNKNOWN)
		text_printf(out, size, "%s has ended", who);
	else if (WIFSIGNALED(status))
		text_printf(out, size, "%s was ended by SIG%s (signal %d)%s", who,
			    sigabbrev_np(WTERMSIG(status)), WTERMSIG(status),
			    WCOREDUMP(status) ? ", a core was written" : "");
	else
		text_printf(out, size, "%s ended with exit code %d%s", who, WEXITSTATUS(status),
			    wrapped ? shell_says(WEXITSTATUS(status)) : "");
}

/* How the call goes on without the worker: at once, after a while, or not at all. Tells it. */
static void obituary(struct worker *w, int status)
{
	char words[256];
	describe_exit(w, status, words, sizeof words);
	struct call *call = w->call;
	/* One that had told everything closed the line itself. */
	bool clean = status == STATUS_UNKNOWN ? call == NULL || call_is_over(call) || call_is_ending(call)
					      : WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (call == NULL) {
		if (!clean && !w->all->closing)
			log_warn("an idle callworker has ended: %s", words);
		return;
	}
	if (clean && w->prepared)
		return;
	bool hopeless = false;
	if (!call_has_streamed(call, w->attempt) && !call_is_ending(call)) {
		unsigned count = call_count_false_start(call);
		hopeless = count >= FALSE_STARTS_MAX;
		w->again_ms = hopeless ? 0 : FALSE_START_MS << (count - 1);
	}
	log_call(LOG_SEV_ERROR, call_sid(call), "%s; %s", words,
		 hopeless ? "after so many tries the call is given up"
			  : "the line is kept and a new one is started");
	json_t *data = json_build("{s:s, s:i}", "reason", words, "pid", (int)w->pid);
	if (status != STATUS_UNKNOWN && WIFSIGNALED(status))
		json_object_set_new(data, "signal", json_integer(WTERMSIG(status)));
	call_note(call, "worker-died", data);
	call_set_error(call, words, hopeless);
	call_save(call, NULL, NULL);
}

static void on_silent(void *arg)
{
	struct worker *w = arg;
	log_call(LOG_SEV_ERROR, w->call ? call_sid(w->call) : "",
		 "callworker %d has not answered for %u s: it is killed", (int)w->pid,
		 w->all->v->config->heartbeat_s);
	if (w->pid > 0)
		kill(w->pid, SIGKILL); /* its exit brings the next one */
}

/* From now on it has a call, and what it is asked it answers. Under a wrapper it may be as slow as that is.
 */
void worker_watch(struct worker *w)
{
	const struct config *c = w->all->v->config;
	if (c->callworker_wrapper[0] == '\0')
		heartbeat_start(&w->heartbeat, w->all->v->base, &w->link, w->pid, MSG_WORKER_LEVELS,
				c->heartbeat_s, on_silent, w);
}

void worker_forget(struct worker *w)
{
	struct call *call = w->call;
	fd_close(&w->stream);
	timer_stop(&w->burial);
	heartbeat_stop(&w->heartbeat);
	link_free(&w->link);
	LIST_REMOVE(w, next);
	if (call != NULL && call_worker(call) == w)
		call_set_worker(call, NULL);
	free(w->late);
	OBJ_FREE(w);
}

static void on_late_close(void *arg)
{
	struct worker *w = arg;
	close_stream(w);
	worker_forget(w);
}

/* Nothing of it is left but its stream: closed later, the carrier comes back later. */
static void linger(struct worker *w)
{
	if (w->call != NULL && call_worker(w->call) == w)
		call_set_worker(w->call, NULL);
	w->call = NULL;
	w->pid = 0;
	heartbeat_stop(&w->heartbeat);
	link_free(&w->link);
	timer_start(&w->burial, w->all->v->base, w->again_ms, on_late_close, w);
}

void worker_end(struct worker *w, int status)
{
	struct workers *all = w->all;
	bool idle = w->call == NULL && w->late == NULL;
	obituary(w, status);
	if (w->named)
		worker_sockets_remove(all->sockets, &w->name);
	all->false_starts = idle && !w->prepared ? all->false_starts + 1 : 0;
	if (w->again_ms > 0 && !all->closing) {
		linger(w);
	} else {
		close_stream(w);
		worker_forget(w);
	}
	workers_refill(all);
	load_tell(all->v);
}

/* ---- what it says ---- */

static void on_event(struct worker *w, const struct frame *f)
{
	if (w->call != NULL)
		events_take(w->all->v, w->call, w->attempt, w->pid, f->body);
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
	w->prepared = true;
	w->all->false_starts = 0;
}

static void on_told(void *arg, json_t *reply, const struct peer_error *error)
{
	(void)arg;
	(void)reply;
	(void)error;
}

/*
 * An earlier voiced's worker goes on: what it missed follows. Which call it serves is
 * known by its socket's name; one that says otherwise is not to be listened to.
 */
static void on_announce(struct worker *w, const struct frame *f)
{
	const char *id = "";
	bool needs_agent = false;
	int64_t attempt = 0;
	struct json_reader r;
	json_read_open(&r, f->body);
	json_read_text(&r, "callId", JSON_NEEDED, 1, 64, &id);
	json_read_int(&r, "attempt", JSON_NEEDED, 0, 1000, &attempt);
	json_read_bool(&r, "needsAgent", JSON_NEEDED, &needs_agent);
	json_read_close(&r, JSON_KNOWN_ONLY);
	if (!json_read_ok(&r) || w->ours || w->announced || attempt != w->attempt ||
	    strcmp(id, w->name.call_id) != 0) {
		log_error("callworker %d announced another call than its own: it is killed", (int)w->pid);
		kill(w->pid, SIGKILL);
		return;
	}
	w->announced = true;
	if (w->call == NULL)
		return;
	log_call(LOG_SEV_INFO, call_sid(w->call), "callworker %d is back", (int)w->pid);
	if (needs_agent)
		agent_prepare(w->all->v, w->call);
}

/* The worker is an earlier voiced's: it goes on with its call, or tells the last of one that is over. */
void worker_rejoin(struct worker *w)
{
	const char *id = w->name.call_id;
	struct call *call = calls_by_id(w->all->v->calls, id);
	worker_watch(w);
	if (call == NULL) {
		log_info("callworker %d comes with the last events of a call that is over", (int)w->pid);
		w->late = xstrdup(id);
		peer_ask(link_peer(w->link), MSG_WORKER_HANGUP, json_object(), ASK_TIMEOUT_MS, on_told, NULL);
		return;
	}
	/* Of several, the one of the last attempt serves it. */
	const struct worker *now = call_worker(call);
	w->call = call;
	if (now == NULL || now->attempt < w->attempt)
		call_set_worker(call, w);
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
		worker_end(w, STATUS_UNKNOWN);
	else
		timer_start(&w->burial, w->all->v->base, BURIAL_MS, bury, w);
}

void worker_link_gone(struct worker *w)
{
	OBJ_CHECK(w, WORKER_MAGIC);
	/* The heartbeat goes on: one that lives on without a connection answers nothing, and is killed. */
	link_free(&w->link);
	/*
	 * A child's exit is still to come; an orphan's too, if its parent is the
	 * supervisor that tells us. It is not when that one has died meanwhile.
	 */
	if (!w->ours)
		timer_start(&w->burial, w->all->v->base, BURIAL_MS, bury, w);
}

/* ---- what it is told ---- */

static void tell_no_agent(struct worker *w, const char *error)
{
	peer_tell(link_peer(w->link), MSG_NO_AGENT, json_build("{s:s}", "error", error), -1);
}

/* To the first of the host's addresses, from the call's own on, that can be tried from here: not all can,
 * as those of IPv6 without a route. */
static int connect_agent(const struct voiced *v, const struct call *call, char *why, size_t size)
{
	enum {
		ROUNDS = 3
	}; /* what fails at once is mostly a want of the moment: ports, descriptors, memory */
	const char *url = call_agent_text(call), *first = call_agent_address(call), *address = first;
	int connection = -1;
	for (int round = 0; round < ROUNDS && connection < 0;) {
		connection = agent_connection_begin(url, address, why, size);
		const char *next =
			connection < 0 && v->resolver ? resolver_next(v->resolver, url, address) : NULL;
		address = next != NULL ? next : first;
		round += strcmp(address, first) == 0;
	}
	return connection;
}

void worker_tell_agent(struct call *call)
{
	struct worker *w = call_worker(call);
	enum call_agent agent = call_agent(call);
	char why[300];
	if (w == NULL || w->link == NULL || (agent != AGENT_READY && agent != AGENT_REFUSED))
		return;
	if (agent == AGENT_REFUSED) {
		tell_no_agent(w, call_agent_text(call));
		return;
	}
	int connection = connect_agent(w->all->v, call, why, sizeof why);
	if (connection < 0) {
		log_call(LOG_SEV_WARN, call_sid(call), "no agent: %s", why);
		tell_no_agent(w, why);
		return;
	}
	json_t *body = json_build("{s:s}", "url", call_agent_text(call));
	const char *key = w->all->v->config->openai_api_key;
	if (strcmp(call_text(call, "voiceProvider"), "openai") == 0 && key[0] != '\0') {
		char *header = xasprintf("Authorization: Bearer %s", key);
		json_object_set_new(body, "header", json_text(header));
		free(header);
	}
	peer_tell(link_peer(w->link), MSG_AGENT, body, connection);
}

void worker_stored(struct worker *w, int64_t seq, int64_t limit)
{
	if (seq > w->stored)
		w->stored = seq;
	int64_t up_to = w->stored < limit ? w->stored : limit;
	if (up_to > w->acknowledged)
		peer_tell(link_peer(w->link), MSG_EVENT_ACK, json_build("{s:I}", "seq", (json_int_t)up_to),
			  -1);
	w->acknowledged = up_to > w->acknowledged ? up_to : w->acknowledged;
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

bool worker_serves(const struct call *call, int64_t attempt)
{
	const struct worker *w = call_worker(call);
	return w != NULL && w->attempt == attempt;
}
