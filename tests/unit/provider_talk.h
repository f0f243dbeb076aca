/*
 * A voice provider's conversation without a socket: the test says what the other
 * side sends and when a timer is due, and looks at what was sent and told. In
 * place of callworker/net/websocket.c and event_loop.c.
 */
#ifndef PHONY_PROVIDER_TALK_H
#define PHONY_PROVIDER_TALK_H

#include "tests/unit/provider_setup.h"
#include "tests/unit/unit.h"

enum { TIMERS = 16, LOG = 64 * 1024 };

static struct {
	const struct ws_handler *handler;
	void *arg;
	bool closing;
	unsigned http_status, audio; /* audio: messages of it that were handed on */
	char sent[LOG]; /* a message a line; of audio only its size */
	char told[LOG]; /* a line for each event of the conversation */
	struct {
		struct ws_timer *timer;
		int64_t due_us;
	} timers[TIMERS];
	int64_t now_us, turns;
	const struct provider *provider;
	void *conversation;
	json_t *history, *tools;
} talk;

/* ---- the socket and the clock ---- */

static void note(char *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(char *log, const char *fmt, ...)
{
	va_list args;
	size_t len = strlen(log);
	va_start(args, fmt);
	vsnprintf(log + len, LOG - len, fmt, args);
	va_end(args);
}

struct ws *ws_connect(struct ws_loop *l, const char *url, int connection, const char *header, size_t max,
		      const struct ws_handler *h, void *arg)
{
	(void)l, (void)url, (void)connection, (void)header, (void)max;
	talk.handler = h;
	talk.arg = arg;
	talk.closing = false;
	return (struct ws *)&talk;
}

bool ws_send_between(struct ws *w, const char *head, const char *body, size_t len, const char *tail,
		     struct mono_us born)
{
	(void)w, (void)head, (void)body, (void)tail, (void)born;
	if (!talk.closing)
		note(talk.sent, "audio %zu\n", len);
	return !talk.closing;
}

bool ws_send(struct ws *w, const char *text, size_t len)
{
	(void)w;
	if (!talk.closing)
		note(talk.sent, "%.*s\n", (int)len, text);
	return !talk.closing;
}

void ws_close(struct ws *w, enum lws_close_status status, const char *reason)
{
	(void)w, (void)status, (void)reason;
	talk.closing = true;
}

void ws_abandon(struct ws **w)
{
	*w = NULL;
	talk.handler = NULL;
}

unsigned ws_peer_close_code(const struct ws *w)
{
	(void)w;
	return 0;
}

unsigned ws_http_status(const struct ws *w)
{
	(void)w;
	return talk.http_status;
}

const struct latency *ws_delays(const struct ws *w)
{
	static const struct latency none;
	(void)w;
	return &none;
}

void ws_timer_stop(struct ws_loop *l, struct ws_timer *t)
{
	(void)l;
	for (int i = 0; i < TIMERS; i++)
		if (talk.timers[i].timer == t)
			talk.timers[i].timer = NULL;
}

void ws_timer_start(struct ws_loop *l, struct ws_timer *t, int ms, void (*fn)(void *), void *arg)
{
	int i = 0;
	ws_timer_stop(l, t);
	while (talk.timers[i].timer != NULL)
		assert_true(++i < TIMERS);
	t->fn = fn;
	t->arg = arg;
	talk.timers[i].timer = t;
	talk.timers[i].due_us = talk.now_us + (int64_t)ms * 1000;
}

/* Lets time pass; what is due then is called, the earliest first. */
static void pass(int ms)
{
	int64_t end_us = talk.now_us + (int64_t)ms * 1000;
	for (;;) {
		int next = -1;
		for (int i = 0; i < TIMERS; i++)
			if (talk.timers[i].timer != NULL && talk.timers[i].due_us <= end_us &&
			    (next < 0 || talk.timers[i].due_us < talk.timers[next].due_us))
				next = i;
		talk.now_us = next < 0 ? end_us : talk.timers[next].due_us;
		clock_hold((struct mono_us){talk.now_us}, (struct wall_ms){1767225600000 + talk.now_us / 1000});
		if (next < 0)
			return;
		struct ws_timer *t = talk.timers[next].timer;
		talk.timers[next].timer = NULL;
		t->fn(t->arg);
	}
}

/* ---- what is told ---- */

static void talk_ready(void *arg, const char *id, struct audio_format takes, struct audio_format gives)
{
	(void)arg, (void)takes, (void)gives;
	note(talk.told, "ready %s\n", id);
}

static void talk_audio(void *arg, const char *base64, size_t len, struct mono_us born)
{
	(void)arg, (void)base64, (void)len, (void)born;
	talk.audio++;
}

static void talk_interrupted(void *arg, struct mono_us born)
{
	(void)arg, (void)born;
	note(talk.told, "interrupted\n");
}

static int64_t talk_turn(const char *role, const char *text, struct turn_place place)
{
	note(talk.told, "%lld %s: %s", (long long)++talk.turns, role, text);
	if (place.before != 0)
		note(talk.told, " (before %lld)", (long long)place.before);
	note(talk.told, "\n");
	return talk.turns;
}

static int64_t talk_user(void *arg, const char *text, struct turn_place place)
{
	(void)arg;
	return talk_turn("user", text, place);
}

static int64_t talk_agent(void *arg, const char *text, struct turn_place place)
{
	(void)arg;
	return talk_turn("agent", text, place);
}

static void talk_corrected(void *arg, int64_t turn, const char *text)
{
	(void)arg;
	note(talk.told, "corrected %lld: %s\n", (long long)turn, text);
}

static void talk_tool(void *arg, const char *id, const char *name, json_t *parameters)
{
	(void)arg;
	char *text = parameters ? json_dumps(parameters, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	note(talk.told, "tool %s %s %s\n", id, name, text ? text : "none");
	free(text);
}

static void talk_written(void *arg)
{
	(void)arg;
	note(talk.told, "written\n");
}

static void talk_usage(void *arg, json_t *counts)
{
	(void)arg, (void)counts;
}

static void talk_ended(void *arg, const char *why, enum provider_end end)
{
	(void)arg;
	note(talk.told, "ended %s: %s\n", (const char *[]){"done", "lost", "refused"}[end], why);
}

static const struct provider_events talk_events = {talk_ready,	   talk_audio, talk_interrupted,
						   talk_user,	   talk_agent, talk_corrected,
						   talk_tool,	   talk_written, talk_usage, talk_ended};

/* ---- the test's verbs ---- */

static inline void talk_open(const struct provider *provider)
{
	memset(&talk, 0, sizeof talk);
	talk.now_us = 1000000;
	pass(0);
	talk.history = json_array();
	talk.tools = json_array();
	talk.provider = provider;
	struct provider_setup setup = provider_setup("", talk.history, talk.tools);
	talk.conversation = provider->open(NULL, &setup, &talk_events, NULL);
	talk.handler->open(talk.arg);
}

/* Ends the test's conversation as a call's end does. */
static inline void talk_close(void)
{
	if (talk.provider->finish != NULL)
		talk.provider->finish(talk.conversation, true);
	talk.provider->close(talk.conversation);
	json_decref(talk.history);
	json_decref(talk.tools);
	clock_release();
}

/* The other side sends this; ' stands for ". */
static inline void hear(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void hear(const char *fmt, ...)
{
	char text[8192];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	talk.handler->text(talk.arg, text, strlen(text), (struct mono_us){1});
}

/* What was told since the last look. */
static void expect_told(const char *lines)
{
	assert_string_equal(talk.told, lines);
	talk.told[0] = '\0';
}

/* How often a message with these words was sent since the last forget_sent. */
static inline int sent_count(const char *words)
{
	int count = 0;
	for (const char *at = talk.sent; (at = strstr(at, words)) != NULL; at++)
		count++;
	return count;
}

static void forget_sent(void)
{
	talk.sent[0] = '\0';
}

#endif
