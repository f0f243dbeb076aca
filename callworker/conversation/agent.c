#include "callworker/conversation/agent.h"

#include "callworker/audio/mulaw.h"
#include "callworker/audio/transcode.h"
#include "lib/base/base64.h"
#include "lib/base/buffer.h"
#include "lib/base/fd.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/object.h"

#include <string.h>
#include <sys/queue.h>

#define AGENT_MAGIC 0x6167656eu

enum {
	EARLY_MAX = 8000 * MULAW_BYTES_PER_MS, /* 8 s of voice before the agent is there */
	EARLY_FRAME = 20 * MULAW_BYTES_PER_MS,
	LOSSES_MAX = 3,        /* connections that may break, one soon after the other */
	LOST_MS = 100,         /* before another is asked for; doubled each time */
	PATIENCE_MS = 15000,   /* that those took which came to nothing: the caller hears nobody meanwhile */
	STEADY_MS = 60 * 1000, /* a connection that lasted so long is no sign of a fault */
	WRITING_MS = 3000,     /* for the caller's last words, at the end */
	KEPT_MAX = 64,         /* texts for the next connection, and open tool calls */
};

static const struct audio_format telephone = {MULAW_RATE_HZ, true};

/* A tool call without its result, and the connection that made it. */
struct open_call {
	STAILQ_ENTRY(open_call) next;
	unsigned connection;
	char *id, *name;
};

/* What the agent was told, or is to be told once it is there. */
struct told {
	STAILQ_ENTRY(told) next;
	bool direct;         /* to be followed at once; else to be known */
	unsigned connection; /* that knows it; 0: none yet */
	char *text;
};

struct agent {
	unsigned magic;
	struct ws_loop *loop;
	struct playout *playout;
	struct agent_setup setup;
	const struct agent_events *events;
	void *arg;
	void *conversation; /* the provider's own; NULL: not open */
	bool ready, ended;
	bool closing;          /* only the caller's texts are told from now on */
	unsigned connection;   /* they are numbered, from 1 */
	uint64_t given;        /* mu-law of the agent's on its way to the playout, of all connections */
	uint64_t given_before; /* by those before this one */
	struct mono_us opened_at, ready_at;
	int64_t vain_us; /* see PATIENCE_MS */
	STAILQ_HEAD(, open_call) calls;
	STAILQ_HEAD(, told) told;
	unsigned call_count, told_count;
	bool complained;    /* about its audio */
	bool greeted_badly; /* the first message was refused: without it the next time */
	unsigned losses;
	char *why;
	struct lane *to_agent, *to_caller;
	struct buffer early;    /* mu-law that came before the agent was ready */
	struct buffer outgoing; /* base64 on its way to the agent */
	struct ws_timer lost_timer, closing_timer;
	struct latency delays; /* of connections that are gone */
};

static void send_to_agent(struct agent *a, const char *base64, size_t len, struct mono_us born)
{
	const struct provider *provider = a->setup.provider;
	if (lane_is_open(a->to_agent)) {
		provider->send_audio(a->conversation, base64, len, born);
		return;
	}
	const uint8_t *bytes;
	size_t count;
	if (!lane_convert(a->to_agent, base64, len, &bytes, &count) || count == 0)
		return;
	a->outgoing.len = 0;
	buffer_reserve(&a->outgoing, BASE64_LEN(count));
	size_t n = base64_encode(bytes, count, (char *)a->outgoing.data);
	provider->send_audio(a->conversation, (char *)a->outgoing.data, n, born);
}

/* In frames, as it came. */
static void flush_early(struct agent *a)
{
	char base64[BASE64_LEN(EARLY_FRAME)];
	for (size_t at = 0, part; at < a->early.len; at += part) {
		part = a->early.len - at < EARLY_FRAME ? a->early.len - at : EARLY_FRAME;
		send_to_agent(a, base64, base64_encode(a->early.data + at, part, base64),
			      (struct mono_us){0});
	}
	buffer_free(&a->early);
}

static void keep_early(struct agent *a, const char *base64, size_t len)
{
	ssize_t bytes = base64_decoded_len(base64, len);
	if (bytes <= 0)
		return;
	if (a->early.len + (size_t)bytes > EARLY_MAX)
		buffer_consume(&a->early, (size_t)bytes < a->early.len ? (size_t)bytes : a->early.len);
	buffer_reserve(&a->early, len / 4 * 3);
	ssize_t got = base64_decode(base64, len, a->early.data + a->early.len);
	a->early.len += got > 0 ? (size_t)got : 0;
}

/* ---- what outlives a connection ---- */

static void free_call(struct agent *a, struct open_call *c)
{
	STAILQ_REMOVE(&a->calls, c, open_call, next);
	a->call_count--;
	free(c->id);
	free(c->name);
	free(c);
}

static void free_told(struct agent *a, struct told *t)
{
	STAILQ_REMOVE(&a->told, t, told, next);
	a->told_count--;
	free(t->text);
	free(t);
}

static void remember_call(struct agent *a, const char *id, const char *name)
{
	struct open_call *c = xcalloc(1, sizeof *c);
	if (a->call_count == KEPT_MAX)
		free_call(a, STAILQ_FIRST(&a->calls));
	*c = (struct open_call){.connection = a->connection, .id = xstrdup(id), .name = xstrdup(name)};
	STAILQ_INSERT_TAIL(&a->calls, c, next);
	a->call_count++;
}

static void hand_over(struct agent *a, struct told *t)
{
	t->connection = a->connection;
	if (t->direct)
		a->setup.provider->direct(a->conversation, t->text);
	else
		a->setup.provider->inject(a->conversation, t->text);
}

/* An instruction is followed once; a fact is to be known by every connection. */
static void tell(struct agent *a, const char *text, bool direct)
{
	if (a->ended)
		return;
	struct told *t = xcalloc(1, sizeof *t);
	if (a->told_count == KEPT_MAX)
		free_told(a, STAILQ_FIRST(&a->told));
	*t = (struct told){.direct = direct, .text = xstrdup(text)};
	STAILQ_INSERT_TAIL(&a->told, t, next);
	a->told_count++;
	if (!a->ready)
		return;
	hand_over(a, t);
	if (direct)
		free_told(a, t);
}

static void tell_again(struct agent *a)
{
	struct told *t, *following;
	for (t = STAILQ_FIRST(&a->told); t != NULL; t = following) {
		following = STAILQ_NEXT(t, next);
		if (t->connection == a->connection)
			continue;
		hand_over(a, t);
		if (t->direct)
			free_told(a, t);
	}
}

static void forget_all(struct agent *a)
{
	while (!STAILQ_EMPTY(&a->calls))
		free_call(a, STAILQ_FIRST(&a->calls));
	while (!STAILQ_EMPTY(&a->told))
		free_told(a, STAILQ_FIRST(&a->told));
}

/* ---- from the provider ---- */

static void close_conversation(struct agent *a)
{
	if (a->conversation == NULL)
		return;
	latency_merge(&a->delays, a->setup.provider->delays(a->conversation));
	a->setup.provider->close(a->conversation);
	a->conversation = NULL;
	a->ready = a->closing = false;
	ws_timer_stop(a->loop, &a->closing_timer);
	lane_free(&a->to_agent);
	lane_free(&a->to_caller);
}

static void on_ready(void *arg, const char *conversation_id, struct audio_format takes,
		     struct audio_format gives)
{
	struct agent *a = arg;
	a->to_agent = lane_new(telephone, takes);
	a->to_caller = lane_new(gives, telephone);
	if (a->to_agent == NULL || a->to_caller == NULL) {
		close_conversation(a);
		a->events->ended(a->arg, "the agent's audio rate cannot be converted", false);
		return;
	}
	a->ready = true;
	a->ready_at = mono_now();
	a->vain_us = 0;
	a->given_before = a->given;
	if (a->setup.provider->heard != NULL)
		playout_track(a->playout);
	a->events->connected(a->arg,
			     json_build("{s:s, s:i, s:b, s:i, s:b}", "conversationId", conversation_id,
					"takesHz", (int)takes.rate_hz, "takesMulaw", takes.mulaw, "givesHz",
					(int)gives.rate_hz, "givesMulaw", gives.mulaw));
	tell_again(a);
	flush_early(a);
}

static void on_audio(void *arg, const char *base64, size_t len, struct mono_us born)
{
	struct agent *a = arg;
	if (!a->ready)
		return; /* nobody knows yet what its bytes are */
	if (!base64_valid(base64, len)) {
		/* Passed on as it is, it could say anything. */
		if (!a->complained)
			log_warn("the agent's audio is not base64: it is dropped");
		a->complained = true;
		return;
	}
	int quiet_ms = playout_quiet_ms(a->playout);
	if (lane_is_open(a->to_caller)) {
		ssize_t given = base64_decoded_len(base64, len);
		a->given += given > 0 ? (uint64_t)given : 0;
		playout_base64(a->playout, base64, len, born);
	} else {
		const uint8_t *bytes;
		size_t count;
		if (!lane_convert(a->to_caller, base64, len, &bytes, &count))
			return;
		a->given += count;
		playout_bytes(a->playout, bytes, count, born);
	}
	a->events->spoke(a->arg, quiet_ms);
}

/* Of what this connection gave; the playout counts that of all. */
static uint64_t heard_bytes(const struct agent *a)
{
	bool all_heard = playout_ahead_ms(a->playout) == 0;
	uint64_t heard = all_heard ? playout_given(a->playout) : playout_heard(a->playout);
	return heard > a->given_before ? heard - a->given_before : 0;
}

/* heard: before what was buffered was dropped. */
static void cut_short(struct agent *a, uint64_t heard)
{
	lane_reset(a->to_caller);
	if (a->setup.provider->heard != NULL)
		a->setup.provider->heard(a->conversation, heard);
}

static void on_interrupted(void *arg, struct mono_us born)
{
	struct agent *a = arg;
	if (!a->ready)
		return;
	uint64_t heard = heard_bytes(a);
	a->events->interrupted(a->arg, born);
	cut_short(a, heard);
}

static int64_t on_user_said(void *arg, const char *text, struct turn_place place)
{
	struct agent *a = arg;
	return a->events->user_said(a->arg, text, place);
}

static int64_t on_agent_said(void *arg, const char *text, struct turn_place place)
{
	struct agent *a = arg;
	if (a->closing)
		return 0;
	return a->events->agent_said(a->arg, text, place);
}

static void on_agent_corrected(void *arg, int64_t utterance, const char *text)
{
	struct agent *a = arg;
	a->events->agent_corrected(a->arg, utterance, text);
}

static void on_tool_call(void *arg, const char *id, const char *name, json_t *parameters)
{
	struct agent *a = arg;
	if (a->closing)
		return;
	remember_call(a, id, name);
	a->events->tool_call(a->arg, id, name, parameters);
}

static void on_usage(void *arg, json_t *counts)
{
	struct agent *a = arg;
	a->events->usage(a->arg, counts);
}

static void finish(struct agent *a, bool over)
{
	if (a->conversation != NULL && a->setup.provider->finish != NULL)
		a->setup.provider->finish(a->conversation, over);
}

static void on_closing_timer(void *arg)
{
	struct agent *a = arg;
	finish(a, true);
	close_conversation(a);
	a->events->closed(a->arg);
}

/* From the loop: the conversation is still in its own event. */
static void on_written(void *arg)
{
	struct agent *a = arg;
	if (a->closing)
		ws_timer_start(a->loop, &a->closing_timer, 0, on_closing_timer, a);
}

static void on_lost_timer(void *arg)
{
	struct agent *a = arg;
	a->events->lost(a->arg, a->why);
}

static void on_ended(void *arg, const char *why, enum provider_end end)
{
	struct agent *a = arg;
	if (a->closing) {
		close_conversation(a);
		a->events->closed(a->arg);
		return;
	}
	free(a->why);
	a->why = xstrdup(why);
	a->greeted_badly = a->greeted_badly || (!a->ready && strstr(why, "first_message") != NULL);
	if (a->ready && mono_now().us - a->ready_at.us >= (int64_t)STEADY_MS * 1000)
		a->losses = 0;
	if (!a->ready)
		a->vain_us += mono_now().us - a->opened_at.us;
	close_conversation(a);
	bool patient = a->losses < LOSSES_MAX && a->vain_us < PATIENCE_MS * INT64_C(1000);
	if (end == PROVIDER_LOST && patient) {
		ws_timer_start(a->loop, &a->lost_timer, LOST_MS << a->losses++, on_lost_timer, a);
		return;
	}
	a->ended = true;
	a->events->ended(a->arg, a->why, end == PROVIDER_DONE);
	if (a->ended)
		forget_all(a);
}

static const struct provider_events provider_events = {
	on_ready,           on_audio,     on_interrupted, on_user_said, on_agent_said,
	on_agent_corrected, on_tool_call, on_written,     on_usage,     on_ended,
};

/* ---- the owner's verbs ---- */

struct agent *agent_new(struct ws_loop *loop, struct playout *playout, const struct agent_setup *setup,
			const struct agent_events *events, void *arg)
{
	struct agent *a;
	OBJ_ALLOC(a, AGENT_MAGIC);
	a->loop = loop;
	a->playout = playout;
	a->setup = *setup;
	a->events = events;
	a->arg = arg;
	STAILQ_INIT(&a->calls);
	STAILQ_INIT(&a->told);
	return a;
}

void agent_free(struct agent **aa)
{
	struct agent *a = *aa;
	if (a == NULL)
		return;
	OBJ_CHECK(a, AGENT_MAGIC);
	ws_timer_stop(a->loop, &a->lost_timer);
	close_conversation(a);
	forget_all(a);
	buffer_free(&a->early);
	buffer_free(&a->outgoing);
	free(a->why);
	OBJ_FREE(a);
	*aa = NULL;
}

void agent_connect(struct agent *a, const char *url, int connection, const char *header)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	const json_t *history = a->setup.history(a->arg);
	bool resuming = json_array_size(history) > 0;
	struct provider_setup setup = {
		.url = url,
		.connection = connection,
		.header = header,
		.prompt = a->setup.prompt,
		.voice = a->setup.voice,
		.transcription_model = a->setup.transcription_model,
		.call_type = a->setup.call_type,
		.from_number = a->setup.from_number,
		.to_number = a->setup.to_number,
		.first_message = resuming && !a->greeted_badly ? a->setup.first_message : "",
		.history = history,
		.tools = a->setup.tools,
	};
	if (a->conversation != NULL) {
		fd_close(&connection);
		return;
	}
	a->connection++;
	a->opened_at = mono_now();
	a->ended = false;
	a->conversation = a->setup.provider->open(a->loop, &setup, &provider_events, a);
}

void agent_finish(struct agent *a)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	finish(a, false);
}

void agent_close(struct agent *a)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	if (a->closing)
		return;
	ws_timer_stop(a->loop, &a->lost_timer);
	a->ended = true;
	forget_all(a);
	if (a->ready && a->setup.provider->leave != NULL) {
		finish(a, false);
		a->closing = a->setup.provider->leave(a->conversation);
	}
	if (a->closing) {
		a->ready = false;
		ws_timer_start(a->loop, &a->closing_timer, WRITING_MS, on_closing_timer, a);
		return;
	}
	finish(a, true);
	close_conversation(a);
}

void agent_retry(struct agent *a)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	a->ended = a->losses >= LOSSES_MAX;
	if (!a->ended)
		ws_timer_start(a->loop, &a->lost_timer, LOST_MS << a->losses++, on_lost_timer, a);
	else
		a->events->ended(a->arg, a->why, false);
}

bool agent_is_ready(const struct agent *a)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	return a->ready;
}

bool agent_is_open(const struct agent *a)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	return a->conversation != NULL;
}

void agent_hear(struct agent *a, const char *base64, size_t len, struct mono_us born)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	if (!base64_valid(base64, len))
		return;
	if (a->ready)
		send_to_agent(a, base64, len, born);
	else
		keep_early(a, base64, len);
}

void agent_inject(struct agent *a, const char *text)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	tell(a, text, false);
}

void agent_direct(struct agent *a, const char *text)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	tell(a, text, true);
}

void agent_interrupt(struct agent *a)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	uint64_t heard = heard_bytes(a);
	playout_clear(a->playout);
	if (!a->ready)
		return;
	if (a->setup.provider->interrupt != NULL)
		a->setup.provider->interrupt(a->conversation);
	cut_short(a, heard);
}

/* Another connection knows nothing of the call: it learns the result as an instruction. */
static void tell_result(struct agent *a, const char *name, const char *result, bool is_error)
{
	char *text =
		xasprintf("OPERATOR INSTRUCTION:\nBefore the line broke you called the tool %s. It %s: %s",
			  name, is_error ? "failed" : "has ended", result);
	tell(a, text, true);
	free(text);
}

void agent_tool_result(struct agent *a, const char *id, const char *result, bool is_error, bool go_on)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	struct open_call *c;
	STAILQ_FOREACH (c, &a->calls, next)
		if (strcmp(c->id, id) == 0)
			break;
	bool present = a->ready && (c == NULL || c->connection == a->connection);
	char *name = xstrdup(c != NULL ? c->name : "");
	if (c != NULL)
		free_call(a, c);
	if (present)
		a->setup.provider->tool_result(a->conversation, id, result, is_error, go_on);
	else if (go_on && name[0] != '\0')
		tell_result(a, name, result, is_error);
	free(name);
}

const struct latency *agent_delays(struct agent *a)
{
	OBJ_CHECK(a, AGENT_MAGIC);
	if (a->conversation == NULL)
		return &a->delays;
	static struct latency sum;
	sum = a->delays;
	latency_merge(&sum, a->setup.provider->delays(a->conversation));
	return &sum;
}
