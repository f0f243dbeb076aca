/*
 * One conversation. The scenario's entry for the agent:
 *
 *	takes, gives   audio formats: ulaw_8000, pcm_8000 … pcm_48000
 *	mode           "script" (default), "echo" (gives back what it takes), "sink"
 *	chunk_ms       length of an audio message (200); audio comes faster than real time
 *	speed          how many times faster (4)
 *	bad            see the dialects, and on_pace
 *	again          the script of a conversation that goes on after a loss
 *	trace          every message is reported
 *	dialogue       {turns, wav, write}: in place of a script: "Turn 1.", a reply "Reply 1.", … and end_call;
 *	               write: before each second turn "Note 2." … in writing, where the dialect can;
 *	               a conversation that goes on begins after what its history has
 *	hear_to        a WAV file of what was heard, both channels alike
 *	script         steps, one after the other:
 *	  {"say": TEXT, "wav": PATH}         %d in PATH becomes the rate; "corrected": TEXT makes it
 *	                                     interruptible; "crash_after_ms": N cuts the connection in it
 *	  {"write": TEXT}                    OpenAI: an item of the answer that has no sound
 *	  {"hear": TEXT}                     waits until the caller has spoken; TEXT is what was understood
 *	  {"tool": NAME, "parameters": {}}   waits for the result; "error": true expects one;
 *	                                     "crash_after_ms": N cuts the connection meanwhile
 *	  {"context": TEXT}                  waits for context or an instruction that has TEXT in it
 *	  {"pause_ms": N}  {"close": CODE, "reason": TEXT}  {"crash": true}
 *	  {"freeze": true}                   nothing is read or sent any more, and nothing closed
 */
#include "tests/sim/agent/agent.h"

#include "lib/base/base64.h"
#include "tests/sim/common/report.h"
#include "tests/sim/common/stamp.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PING_EVERY_MS = 2000, CHUNK_MS = 200 };

static LIST_HEAD(, conversation) conversations = LIST_HEAD_INITIALIZER(conversations);

static bool parse_format(const char *name, struct format *f)
{
	if (strcmp(name, "ulaw_8000") == 0) {
		*f = (struct format){8000, true};
		return true;
	}
	*f = (struct format){strncmp(name, "pcm_", 4) == 0 ? (unsigned)atoi(name + 4) : 0, false};
	return f->rate_hz >= 8000 && f->rate_hz <= 48000;
}

void conversation_send(struct conversation *c, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);
	if (c->trace)
		report("sent", json_pack("{s:s, s:O}", "conversation", c->id, "message", message));
	sim_ws_text(c->ws, text, strlen(text));
	free(text);
	json_decref(message);
}

static void after(struct conversation *c, int ms, event_callback_fn fn)
{
	struct timeval delay = {ms / 1000, ms % 1000 * 1000};
	if (c->timer != NULL)
		event_free(c->timer);
	c->timer = evtimer_new(c->base, fn, c);
	evtimer_add(c->timer, &delay);
}

/* ---- speaking ---- */

static void load_speech(struct conversation *c, const json_t *step)
{
	char path[512];
	snprintf(path, sizeof path, text_of(step, "wav", ""), c->gives.rate_hz);
	struct sound s = sound_load(path);
	if (s.rate_hz != c->gives.rate_hz) {
		fprintf(stderr, "sim-agent: %s has %u Hz, the agent gives %u\n", path, s.rate_hz,
			c->gives.rate_hz);
		exit(2);
	}
	free(c->speech);
	c->speech_len = c->gives.mulaw ? s.count : s.count * 2;
	c->speech = malloc(c->speech_len + 2);
	if (c->gives.mulaw)
		for (size_t i = 0; i < s.count; i++)
			c->speech[i] = linear_to_ulaw(s.samples[i]);
	else
		memcpy(c->speech, s.samples, c->speech_len);
	free(s.samples);
	c->speech_at = 0;
	c->speech_end_us = now_us() + (int64_t)(s.count * 1000000 / c->gives.rate_hz);
	c->speech_step = step;
}

static void on_crash(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct conversation *c = arg;
	report("crash", json_pack("{s:s}", "conversation", c->id));
	sim_ws_reset(c->ws);
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct conversation *c = arg;
	size_t bytes_per_ms = c->gives.rate_hz * (c->gives.mulaw ? 1 : 2) / 1000;
	size_t chunk = bytes_per_ms * (size_t)int_of(c->agent, "chunk_ms", CHUNK_MS);
	if (strcmp(c->bad, "odd_pcm") == 0)
		chunk |= 1;
	if (strcmp(c->bad, "huge") == 0)
		chunk = 150 * 1000;
	if (chunk > c->speech_len - c->speech_at)
		chunk = c->speech_len - c->speech_at;
	if (chunk == 0 || c->over)
		return;
	c->dialect->audio(c, c->speech + c->speech_at, chunk);
	c->speech_at += chunk;
	if (!c->first_audio)
		report("first-audio", json_pack("{s:s}", "conversation", c->id));
	c->first_audio = true;
	if (c->speech_at == c->speech_len) {
		c->dialect->said(c);
		return;
	}
	/* Faster than it is heard. */
	int64_t us = (int64_t)(chunk * 1000 / bytes_per_ms) / int_of(c->agent, "speed", 4);
	struct timeval delay = {us / 1000000, us % 1000000};
	evtimer_add(c->pacer, &delay);
}

static void on_spoken(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct conversation *c = arg;
	if (c->over)
		return;
	if (c->speech_step != NULL && c->speech_at < c->speech_len) {
		after(c, 20, on_spoken); /* this machine is slow: not all of it has been sent */
		return;
	}
	c->speech_step = NULL;
	conversation_advance(c);
}

static void say_step(struct conversation *c, const json_t *step)
{
	report("says", json_pack("{s:s, s:s}", "conversation", c->id, "text", text_of(step, "say", "")));
	load_speech(c, step);
	c->dialect->says(c, step);
	c->voice.ended = false;
	on_pace(-1, 0, c);
	if (json_object_get(step, "crash_after_ms"))
		after(c, (int)int_of(step, "crash_after_ms", 0), on_crash);
	else
		after(c, (int)((c->speech_end_us - now_us()) / 1000) + 1, on_spoken);
}

void conversation_silence(struct conversation *c)
{
	evtimer_del(c->pacer);
	if (c->timer != NULL)
		evtimer_del(c->timer);
	c->speech_step = NULL;
}

static void interrupt(struct conversation *c)
{
	const json_t *step = c->speech_step;
	conversation_silence(c);
	report("interruption", json_pack("{s:s}", "conversation", c->id));
	c->dialect->interrupts(c, step);
	on_spoken(-1, 0, c);
}

/* ---- the script ---- */

/* What a step waits for may have come already. */
static void look_for_context(struct conversation *c)
{
	const char *wanted = text_of(json_array_get(c->script, c->step), "context", "");
	for (size_t i = 0; c->waiting_context && i < json_array_size(c->contexts); i++)
		if (strstr(json_string_value(json_array_get(c->contexts, i)), wanted) != NULL) {
			json_array_remove(c->contexts, i);
			c->waiting_context = false;
			conversation_advance(c);
			return;
		}
}

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conversation_advance(arg);
}

static void tool_step(struct conversation *c, json_t *step)
{
	snprintf(c->tool_id, sizeof c->tool_id, "tool_%u", ++c->tools);
	c->waiting_result = true;
	report("calls-tool",
	       json_pack("{s:s, s:s}", "conversation", c->id, "tool", text_of(step, "tool", "")));
	c->dialect->calls_tool(c, step);
	if (json_object_get(step, "crash_after_ms"))
		after(c, (int)int_of(step, "crash_after_ms", 0), on_crash);
}

void conversation_advance(struct conversation *c)
{
	c->step++;
	conversation_go_on(c);
}

void conversation_go_on(struct conversation *c)
{
	json_t *step = json_array_get(c->script, c->step);
	/* It is not the agent's turn. */
	bool speaks = json_object_get(step, "say") || json_object_get(step, "tool") || json_object_get(step, "write");
	if (step == NULL || c->over || c->speech_step != NULL || (c->waiting_turn && speaks))
		return;
	if (json_object_get(step, "say")) {
		say_step(c, step);
	} else if (json_object_get(step, "write")) {
		c->dialect->writes(c, text_of(step, "write", ""));
		conversation_advance(c);
	} else if (json_object_get(step, "hear")) {
		c->hearing = true;
	} else if (json_object_get(step, "tool")) {
		if (!c->waiting_result)
			tool_step(c, step);
	} else if (json_object_get(step, "context")) {
		c->waiting_context = true;
		look_for_context(c);
	} else if (json_object_get(step, "pause_ms")) {
		after(c, (int)int_of(step, "pause_ms", 0), on_pause_over);
	} else if (json_object_get(step, "close")) {
		sim_ws_close(c->ws, (int)int_of(step, "close", 1000), text_of(step, "reason", ""));
	} else if (json_object_get(step, "crash")) {
		sim_ws_reset(c->ws);
	} else if (json_object_get(step, "freeze")) {
		report("frozen", json_pack("{s:s}", "conversation", c->id));
		bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	} else {
		fprintf(stderr, "sim-agent: a step that is none\n");
		exit(2);
	}
}

/* ---- what is said to us ---- */

void conversation_choose(struct conversation *c, json_t *agent, bool again)
{
	c->agent = agent;
	json_t *script =
		json_object_get(agent, again && json_object_get(agent, "again") ? "again" : "script");
	c->script = script;
	c->mode = text_of(agent, "mode", "script");
	c->bad = text_of(agent, "bad", "");
	c->trace = json_is_true(json_object_get(agent, "trace"));
	c->voice.end_after_ms = (int)int_of(agent, "end_after_ms", 400);
	snprintf(c->takes_name, sizeof c->takes_name, "%s", text_of(agent, "takes", "ulaw_8000"));
	snprintf(c->gives_name, sizeof c->gives_name, "%s", text_of(agent, "gives", "ulaw_8000"));
	if (strcmp(c->bad, "unknown_format") != 0 &&
	    (!parse_format(c->takes_name, &c->takes) || !parse_format(c->gives_name, &c->gives))) {
		fprintf(stderr, "sim-agent: unknown formats\n");
		exit(2);
	}
}

void conversation_remember(struct conversation *c, const char *text)
{
	int number;
	const char *at;
	if ((at = strstr(text, "Turn ")) != NULL && sscanf(at, "Turn %d.", &number) == 1 && number > c->told)
		c->told = number;
	if ((at = strstr(text, "Reply ")) != NULL && sscanf(at, "Reply %d.", &number) == 1 &&
	    number > c->replied)
		c->replied = number;
}

static json_t *say_of(const json_t *dialogue, const char *text)
{
	return json_pack("{s:s, s:s}", "say", text, "wav", text_of(dialogue, "wav", ""));
}

/* What is left to be said. */
static void make_dialogue(struct conversation *c)
{
	const json_t *dialogue = json_object_get(c->agent, "dialogue");
	int turns = (int)int_of(dialogue, "turns", 3);
	bool write = json_is_true(json_object_get(dialogue, "write")) && c->dialect->writes != NULL;
	char text[40];
	json_t *script = json_array();
	if (c->told < c->replied)
		c->told = c->replied; /* a turn that was cut off before it was heard, and answered all the
					 same */
	int first = c->told + 1;
	if (c->told > c->replied) {
		json_array_append_new(script, say_of(dialogue, "Sorry, the line was gone for a moment."));
		first = c->told;
	}
	for (int i = first; i <= turns; i++) {
		if (i > c->told && i % 2 == 0 && write) {
			snprintf(text, sizeof text, "Note %d.", i);
			json_array_append_new(script, json_pack("{s:s}", "write", text));
		}
		snprintf(text, sizeof text, "Turn %d.", i);
		if (i > c->told)
			json_array_append_new(script, say_of(dialogue, text));
		snprintf(text, sizeof text, "Reply %d.", i);
		json_array_append_new(script, json_pack("{s:s}", "hear", text));
	}
	json_array_append_new(script, json_pack("{s:s, s:{s:s}}", "tool", "end_call", "parameters", "reason",
						"all is said"));
	json_decref(c->dialogue);
	c->script = c->dialogue = script;
}

void conversation_begin(struct conversation *c)
{
	c->initiated = true;
	if (json_object_get(c->agent, "dialogue") != NULL)
		make_dialogue(c);
	if (strcmp(c->mode, "script") == 0)
		conversation_go_on(c);
}

static void on_stamp(struct conversation *c, uint8_t *bytes)
{
	struct stamp s;
	if (!stamp_read(bytes, STAMP_BYTES, &s))
		return;
	if (s.number > c->next_stamp)
		c->lost += s.number - c->next_stamp;
	else if (s.number < c->next_stamp)
		c->reordered++;
	c->next_stamp = s.number + 1;
	if (c->delay_count == c->delay_cap) {
		c->delay_cap = c->delay_cap ? c->delay_cap * 2 : 1024;
		c->delays = realloc(c->delays, c->delay_cap * sizeof *c->delays);
	}
	c->delays[c->delay_count++] = now_us() - s.carrier_us;
}

static void keep_heard(struct conversation *c, const int16_t *samples, size_t count)
{
	if (text_of(c->agent, "hear_to", NULL) == NULL)
		return;
	if (c->heard_count + count > c->heard_cap) {
		c->heard_cap = (c->heard_count + count) * 2;
		c->heard = realloc(c->heard, c->heard_cap * sizeof *c->heard);
	}
	memcpy(c->heard + c->heard_count, samples, count * sizeof *samples);
	c->heard_count += count;
}

static void save_heard(struct conversation *c)
{
	const char *path = text_of(c->agent, "hear_to", NULL);
	if (c->heard == NULL || path == NULL)
		return;
	if (!sound_save_stereo(path, c->heard, c->heard, c->heard_count, c->takes.rate_hz))
		violation(c->id, "what was heard cannot be saved: %s", path);
	free(c->heard);
}

void conversation_hear(struct conversation *c, const char *base64)
{
	size_t len = strlen(base64);
	uint8_t *bytes = malloc(len + 4);
	ssize_t n = base64_decode(base64, len, bytes);
	if (n < 0) {
		violation(c->id, "the caller's audio is no base64");
		free(bytes);
		return;
	}
	if (!c->takes.mulaw && n % 2 != 0)
		violation(c->id, "the caller's audio has half a sample");
	c->chunks++;
	c->bytes += (uint64_t)n;
	if (c->takes.mulaw && n == STAMP_BYTES)
		on_stamp(c, bytes);
	if (strcmp(c->mode, "echo") == 0) {
		struct stamp s;
		if (stamp_read(bytes, n, &s)) {
			s.agent_us = now_us();
			stamp_write(bytes, &s);
		}
		c->dialect->audio(c, bytes, (size_t)n);
		free(bytes);
		return;
	}
	size_t count = c->takes.mulaw ? (size_t)n : (size_t)n / 2;
	int16_t *samples = malloc(count * 2 + 2);
	for (size_t i = 0; i < count; i++)
		samples[i] = c->takes.mulaw ? ulaw_to_linear(bytes[i])
					    : (int16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
	voice_feed(&c->voice, samples, count, c->takes.rate_hz);
	keep_heard(c, samples, count);
	free(samples);
	free(bytes);
	bool speaks = c->voice.speaking && c->voice.spoken_ms > 100;
	if (speaks && c->speech_step != NULL &&
	    (c->dialect->interrupts_always || json_object_get(c->speech_step, "corrected")))
		interrupt(c);
	else if (speaks && !c->was_speaking && c->dialect->speech_started != NULL)
		c->dialect->speech_started(c);
	c->was_speaking = speaks;
	if (c->hearing && c->voice.ended) {
		json_t *step = json_array_get(c->script, c->step++);
		c->hearing = c->voice.ended = false;
		report("heard",
		       json_pack("{s:s, s:s}", "conversation", c->id, "text", text_of(step, "hear", "")));
		c->dialect->heard(c, text_of(step, "hear", ""));
		conversation_go_on(c);
	}
}

void conversation_result(struct conversation *c, const char *id, const char *result, int is_error)
{
	json_t *step = json_array_get(c->script, c->step);
	if (!c->waiting_result || strcmp(id, c->tool_id) != 0 || result == NULL) {
		violation(c->id, "the result of a tool that was not called");
		return;
	}
	if (is_error != json_is_true(json_object_get(step, "error")))
		violation(c->id, "tool %s gave is_error %d: %s", text_of(step, "tool", ""), is_error, result);
	report("tool-result", json_pack("{s:s, s:s, s:s}", "conversation", c->id, "tool",
					text_of(step, "tool", ""), "result", result));
	c->waiting_result = false;
	conversation_advance(c);
}

void conversation_context(struct conversation *c, const char *text)
{
	report("context", json_pack("{s:s, s:s}", "conversation", c->id, "text", text));
	json_array_append_new(c->contexts, json_string(text));
	look_for_context(c);
}

static void on_text(void *arg, const char *text, size_t len)
{
	struct conversation *c = arg;
	json_error_t fault;
	json_t *m = json_loadb(text, len, JSON_REJECT_DUPLICATES, &fault);
	if (c->trace && m != NULL)
		report("got", json_pack("{s:s, s:O}", "conversation", c->id, "message", m));
	if (!json_is_object(m))
		violation(c->id, "not a JSON object: %s", fault.text);
	else
		c->dialect->text(c, m, text);
	json_decref(m);
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

static void free_conversation(struct conversation *c)
{
	LIST_REMOVE(c, next);
	sim_ws_free(c->ws);
	if (c->timer != NULL)
		event_free(c->timer);
	event_free(c->pinger);
	event_free(c->pacer);
	free(c->speech);
	save_heard(c);
	free(c->delays);
	json_decref(c->item_ms);
	json_decref(c->contexts);
	json_decref(c->dialogue);
	free(c);
}

static void on_free(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	free_conversation(arg);
}

static void on_closed(void *arg, int code, const char *reason)
{
	struct conversation *c = arg;
	static const struct timeval at_once = {0, 0};
	json_t *delays = json_array();
	c->over = true;
	evtimer_del(c->pinger);
	if (c->delay_count > 0)
		qsort(c->delays, c->delay_count, sizeof *c->delays, by_size);
	/* A hundredth of them, evenly: enough for percentiles over many calls. */
	for (size_t i = 0; i < 200 && c->delay_count > 0; i++)
		json_array_append_new(delays, json_integer(c->delays[(c->delay_count - 1) * i / 199]));
	report("ended", json_pack("{s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "conversation", c->id,
				  "code", code, "reason", reason, "chunks", (json_int_t)c->chunks, "bytes",
				  (json_int_t)c->bytes, "stamps", (json_int_t)c->delay_count, "lost",
				  (json_int_t)c->lost, "reordered", (json_int_t)c->reordered, "scriptDone",
				  c->step >= json_array_size(c->script), "delaysUs", delays));
	event_base_once(c->base, -1, EV_TIMEOUT, on_free, c, &at_once);
}

static void on_ping_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct conversation *c = arg;
	if (c->initiated && strcmp(c->bad, "silent") != 0 && c->dialect->ping != NULL)
		c->dialect->ping(c);
}

static void on_open(void *arg)
{
	(void)arg;
}

static const struct sim_ws_handler events = {on_open, on_text, on_closed};

void conversation_start(struct event_base *base, struct bufferevent *bev, const char *key,
			const struct dialect *dialect, const char *id, json_t *agents, json_t *agent)
{
	static unsigned count;
	struct timeval every = {PING_EVERY_MS / 1000, PING_EVERY_MS % 1000 * 1000};
	struct conversation *c = calloc(1, sizeof *c);
	c->base = base;
	c->dialect = dialect;
	c->agents = agents;
	c->item_ms = json_object();
	c->contexts = json_array();
	c->mode = c->bad = "";
	snprintf(c->id, sizeof c->id, "conv_%s_%u", id, ++count);
	if (agent != NULL)
		conversation_choose(c, agent, false);
	LIST_INSERT_HEAD(&conversations, c, next);
	c->pinger = event_new(base, -1, EV_PERSIST, on_ping_time, c);
	event_add(c->pinger, &every);
	c->pacer = evtimer_new(base, on_pace, c);
	c->bev = bev;
	c->ws = sim_ws_server(bev, key, c->id, &events, c);
	report("connected", json_pack("{s:s}", "conversation", c->id));
	if (strcmp(c->bad, "close_at_once") == 0)
		sim_ws_close(c->ws, 1011, "internal error");
	else if (dialect->open != NULL)
		dialect->open(c);
}

void conversations_end(void)
{
	while (!LIST_EMPTY(&conversations))
		free_conversation(LIST_FIRST(&conversations));
}
