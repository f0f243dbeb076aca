/*
 * One conversation. The scenario's entry for the agent:
 *
 *	takes, gives   audio formats: ulaw_8000, pcm_8000 … pcm_48000
 *	mode           "script" (default), "echo" (gives back what it takes), "sink"
 *	chunk_ms       length of an audio message (200); audio comes faster than real time
 *	bad            see on_initiation and say_step
 *	script         steps, one after the other:
 *	  {"say": TEXT, "wav": PATH}         %d in PATH becomes the rate; "corrected": TEXT makes it
 *interruptible
 *	  {"hear": TEXT}                     waits until the caller has spoken; TEXT is what was understood
 *	  {"tool": NAME, "parameters": {}}   waits for the result; "error": true expects one
 *	  {"context": TEXT}                  waits for a contextual_update that has TEXT in it
 *	  {"pause_ms": N}  {"ping": true}  {"close": CODE, "reason": TEXT}  {"crash": true}
 */
#include "tests/sim/agent/agent.h"

#include "lib/base/base64.h"
#include "tests/sim/common/report.h"
#include "tests/sim/common/sound.h"
#include "tests/sim/common/stamp.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { PING_EVERY_MS = 2000, CHUNK_MS = 200, FORMAT_SIZE = 24 };

struct format {
	unsigned rate_hz;
	bool mulaw;
};

struct conversation {
	LIST_ENTRY(conversation) next;
	struct event_base *base;
	struct sim_ws *ws;
	json_t *agent, *script;
	char id[80], takes_name[FORMAT_SIZE], gives_name[FORMAT_SIZE];
	const char *mode, *bad;
	struct format takes, gives;
	bool initiated, over;
	size_t step;
	bool waiting_result, waiting_context, hearing;
	char tool_id[32];
	unsigned tools;
	int64_t event_id, ping_id, ping_sent_us;
	struct event *timer, *pinger, *pacer;
	/* speaking */
	uint8_t *speech;
	size_t speech_len, speech_at;
	int64_t speech_end_us; /* when the last word will have been heard */
	const json_t *speech_step;
	/* listening */
	struct voice voice;
	uint64_t chunks, bytes;
	uint32_t next_stamp, lost, reordered;
	int64_t *delays;
	size_t delay_count, delay_cap;
	bool first_audio;
};

static LIST_HEAD(, conversation) conversations = LIST_HEAD_INITIALIZER(conversations);

static void run_steps(struct conversation *c);

static bool parse_format(const char *name, struct format *f)
{
	if (strcmp(name, "ulaw_8000") == 0) {
		*f = (struct format){8000, true};
		return true;
	}
	*f = (struct format){strncmp(name, "pcm_", 4) == 0 ? (unsigned)atoi(name + 4) : 0, false};
	return f->rate_hz >= 8000 && f->rate_hz <= 48000;
}

static void send_json(struct conversation *c, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);
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

static void send_audio(struct conversation *c, const uint8_t *bytes, size_t len)
{
	char *base64 = malloc(BASE64_LEN(len) + 1);
	base64[base64_encode(bytes, len, base64)] = '\0';
	char *text;
	int n = asprintf(&text,
			 "{\"audio_event\":{\"audio_base_64\":\"%s\",\"event_id\":%lld},\"type\":\"audio\"}",
			 base64, (long long)++c->event_id);
	if (strcmp(c->bad, "fragments") == 0)
		sim_ws_fragments(c->ws, text, (size_t)n, 1000);
	else
		sim_ws_text(c->ws, text, (size_t)n);
	free(text);
	free(base64);
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
	send_audio(c, c->speech + c->speech_at, chunk);
	c->speech_at += chunk;
	if (!c->first_audio)
		report("first-audio", json_pack("{s:s}", "conversation", c->id));
	c->first_audio = true;
	/* Four times as fast as it is heard. */
	struct timeval delay = {0, (int)(chunk * 1000 / bytes_per_ms / 4)};
	evtimer_add(c->pacer, &delay);
}

static void on_spoken(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct conversation *c = arg;
	if (c->over)
		return;
	c->speech_step = NULL;
	c->step++;
	run_steps(c);
}

static void say_step(struct conversation *c, const json_t *step)
{
	report("says", json_pack("{s:s, s:s}", "conversation", c->id, "text", text_of(step, "say", "")));
	send_json(c, json_pack("{s:s, s:{s:s}}", "type", "agent_response", "agent_response_event",
			       "agent_response", text_of(step, "say", "")));
	load_speech(c, step);
	c->voice.ended = false;
	on_pace(-1, 0, c);
	after(c, (int)((c->speech_end_us - now_us()) / 1000) + 1, on_spoken);
}

static void interrupt(struct conversation *c)
{
	const char *corrected = text_of(c->speech_step, "corrected", "");
	evtimer_del(c->pacer);
	report("interruption", json_pack("{s:s}", "conversation", c->id));
	send_json(c, json_pack("{s:s, s:{s:I}}", "type", "interruption", "interruption_event", "event_id",
			       (json_int_t)c->event_id));
	send_json(c, json_pack("{s:s, s:{s:s, s:s}}", "type", "agent_response_correction",
			       "agent_response_correction_event", "original_agent_response",
			       text_of(c->speech_step, "say", ""), "corrected_agent_response", corrected));
	/* Stale audio, as the real service sends it now and then: it must not be heard. */
	int64_t present = c->event_id;
	uint8_t stale[1600];
	memset(stale, 0x00, sizeof stale);
	c->event_id = present - 1;
	send_audio(c, stale, sizeof stale);
	c->event_id = present;
	on_spoken(-1, 0, c);
}

/* ---- the script ---- */

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct conversation *c = arg;
	c->step++;
	run_steps(c);
}

static void tool_step(struct conversation *c, json_t *step)
{
	json_t *parameters = json_object_get(step, "parameters");
	snprintf(c->tool_id, sizeof c->tool_id, "tool_%u", ++c->tools);
	c->waiting_result = true;
	report("calls-tool",
	       json_pack("{s:s, s:s}", "conversation", c->id, "tool", text_of(step, "tool", "")));
	send_json(c, json_pack("{s:s, s:{s:s, s:s, s:O, s:I}}", "type", "client_tool_call",
			       "client_tool_call", "tool_name", text_of(step, "tool", ""), "tool_call_id",
			       c->tool_id, "parameters", parameters, "event_id", (json_int_t)c->event_id));
}

static void run_steps(struct conversation *c)
{
	json_t *step = json_array_get(c->script, c->step);
	if (step == NULL || c->over)
		return;
	if (json_object_get(step, "say")) {
		say_step(c, step);
	} else if (json_object_get(step, "hear")) {
		c->hearing = true;
	} else if (json_object_get(step, "tool")) {
		tool_step(c, step);
	} else if (json_object_get(step, "context")) {
		c->waiting_context = true;
	} else if (json_object_get(step, "pause_ms")) {
		after(c, (int)int_of(step, "pause_ms", 0), on_pause_over);
	} else if (json_object_get(step, "close")) {
		sim_ws_close(c->ws, (int)int_of(step, "close", 1000), text_of(step, "reason", ""));
	} else if (json_object_get(step, "crash")) {
		sim_ws_reset(c->ws);
	} else {
		fprintf(stderr, "sim-agent: a step that is none\n");
		exit(2);
	}
}

/* ---- what is said to us ---- */

static void on_initiation(struct conversation *c, json_t *m)
{
	static const char *const known[] = {"type", "conversation_config_override", "dynamic_variables",
					    "custom_llm_extra_body", "user_id"};
	const char *name;
	json_t *value;
	json_object_foreach (m, name, value) {
		bool ok = false;
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			ok = ok || strcmp(name, known[i]) == 0;
		if (!ok)
			violation(c->id, "conversation_initiation_client_data has an unknown member %s",
				  name);
	}
	json_t *override = json_object_get(m, "conversation_config_override");
	const char *prompt =
		text_of(json_object_get(json_object_get(override, "agent"), "prompt"), "prompt", NULL);
	const char *voice = text_of(json_object_get(override, "tts"), "voice_id", "");
	if (prompt == NULL)
		violation(c->id, "no prompt was given");
	c->initiated = true;
	report("initiated", json_pack("{s:s, s:s, s:s}", "conversation", c->id, "prompt",
				      prompt ? prompt : "", "voice", voice));
	if (strcmp(c->bad, "refuse_override") == 0) {
		sim_ws_close(c->ws, 1008, "Override for field 'prompt' is not allowed by config.");
		return;
	}
	if (strcmp(c->bad, "silent") == 0)
		return;
	send_json(c, json_pack("{s:s, s:{s:s, s:s, s:s}}", "type", "conversation_initiation_metadata",
			       "conversation_initiation_metadata_event", "conversation_id", c->id,
			       "agent_output_audio_format", c->gives_name, "user_input_audio_format",
			       c->takes_name));
	if (strcmp(c->mode, "script") == 0)
		run_steps(c);
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

static void on_audio_chunk(struct conversation *c, const char *base64)
{
	size_t len = strlen(base64);
	uint8_t *bytes = malloc(len + 4);
	ssize_t n = base64_decode(base64, len, bytes);
	if (n < 0) {
		violation(c->id, "user_audio_chunk is no base64");
		free(bytes);
		return;
	}
	if (!c->takes.mulaw && n % 2 != 0)
		violation(c->id, "user_audio_chunk has half a sample");
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
		send_audio(c, bytes, (size_t)n);
		free(bytes);
		return;
	}
	size_t count = c->takes.mulaw ? (size_t)n : (size_t)n / 2;
	int16_t *samples = malloc(count * 2 + 2);
	for (size_t i = 0; i < count; i++)
		samples[i] = c->takes.mulaw ? ulaw_to_linear(bytes[i])
					    : (int16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
	voice_feed(&c->voice, samples, count, c->takes.rate_hz);
	free(samples);
	free(bytes);
	if (c->voice.speaking && c->voice.spoken_ms > 100 && c->speech_step != NULL &&
	    json_object_get(c->speech_step, "corrected"))
		interrupt(c);
	if (c->hearing && c->voice.ended) {
		json_t *step = json_array_get(c->script, c->step);
		c->hearing = c->voice.ended = false;
		report("heard",
		       json_pack("{s:s, s:s}", "conversation", c->id, "text", text_of(step, "hear", "")));
		send_json(c,
			  json_pack("{s:s, s:{s:s}}", "type", "user_transcript", "user_transcription_event",
				    "user_transcript", text_of(step, "hear", "")));
		c->step++;
		run_steps(c);
	}
}

static void on_tool_result(struct conversation *c, json_t *m)
{
	const char *id = text_of(m, "tool_call_id", "");
	json_t *step = json_array_get(c->script, c->step), *is_error = json_object_get(m, "is_error");
	if (!c->waiting_result || strcmp(id, c->tool_id) != 0 || !json_is_boolean(is_error) ||
	    !json_is_string(json_object_get(m, "result"))) {
		violation(c->id, "client_tool_result that answers nothing, or lacks result or is_error");
		return;
	}
	if (json_is_true(is_error) != json_is_true(json_object_get(step, "error")))
		violation(c->id, "tool %s gave is_error %d: %s", text_of(step, "tool", ""),
			  json_is_true(is_error), text_of(m, "result", ""));
	report("tool-result", json_pack("{s:s, s:s, s:s}", "conversation", c->id, "tool",
					text_of(step, "tool", ""), "result", text_of(m, "result", "")));
	c->waiting_result = false;
	c->step++;
	run_steps(c);
}

static void on_context(struct conversation *c, json_t *m)
{
	const char *text = text_of(m, "text", NULL);
	json_t *step = json_array_get(c->script, c->step);
	if (text == NULL) {
		violation(c->id, "contextual_update without text");
		return;
	}
	report("context", json_pack("{s:s, s:s}", "conversation", c->id, "text", text));
	if (c->waiting_context && strstr(text, text_of(step, "context", "")) != NULL) {
		c->waiting_context = false;
		c->step++;
		run_steps(c);
	}
}

static void on_pong(struct conversation *c, json_t *m)
{
	int64_t id = int_of(m, "event_id", -1);
	if (c->ping_id == 0 || id != c->ping_id)
		violation(c->id, "pong %lld to ping %lld", (long long)id, (long long)c->ping_id);
	c->ping_id = 0;
}

static void on_text(void *arg, const char *text, size_t len)
{
	struct conversation *c = arg;
	json_error_t fault;
	json_t *m = json_loadb(text, len, JSON_REJECT_DUPLICATES, &fault);
	const char *type = text_of(m, "type", NULL), *chunk = text_of(m, "user_audio_chunk", NULL);
	if (!json_is_object(m))
		violation(c->id, "not a JSON object: %s", fault.text);
	else if (!c->initiated && (type == NULL || strcmp(type, "conversation_initiation_client_data") != 0))
		violation(c->id, "%s came before conversation_initiation_client_data", type ? type : "audio");
	else if (chunk != NULL && json_object_size(m) == 1)
		on_audio_chunk(c, chunk);
	else if (type == NULL)
		violation(c->id, "a message of no type: %.200s", text);
	else if (strcmp(type, "conversation_initiation_client_data") == 0)
		c->initiated ? violation(c->id, "initiated twice") : on_initiation(c, m);
	else if (strcmp(type, "pong") == 0)
		on_pong(c, m);
	else if (strcmp(type, "client_tool_result") == 0)
		on_tool_result(c, m);
	else if (strcmp(type, "contextual_update") == 0)
		on_context(c, m);
	else if (strcmp(type, "user_message") != 0 && strcmp(type, "user_activity") != 0)
		violation(c->id, "unknown type %s", type);
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
	free(c->delays);
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
	if (!c->initiated || strcmp(c->bad, "silent") == 0)
		return;
	if (c->ping_id != 0)
		violation(c->id, "no pong within %d ms", PING_EVERY_MS);
	c->ping_id = ++c->event_id;
	send_json(c, json_pack("{s:s, s:{s:I, s:i}}", "type", "ping", "ping_event", "event_id",
			       (json_int_t)c->ping_id, "ping_ms", 20));
}

static void on_open(void *arg)
{
	(void)arg;
}

static const struct sim_ws_handler events = {on_open, on_text, on_closed};

void conversation_start(struct event_base *base, struct bufferevent *bev, const char *key, const char *id,
			json_t *agent)
{
	static unsigned count;
	struct timeval every = {PING_EVERY_MS / 1000, PING_EVERY_MS % 1000 * 1000};
	struct conversation *c = calloc(1, sizeof *c);
	c->base = base;
	c->agent = agent;
	c->script = json_object_get(agent, "script");
	c->mode = text_of(agent, "mode", "script");
	c->bad = text_of(agent, "bad", "");
	snprintf(c->id, sizeof c->id, "conv_%s_%u", id, ++count);
	snprintf(c->takes_name, sizeof c->takes_name, "%s", text_of(agent, "takes", "ulaw_8000"));
	snprintf(c->gives_name, sizeof c->gives_name, "%s", text_of(agent, "gives", "ulaw_8000"));
	if (strcmp(c->bad, "unknown_format") != 0 &&
	    (!parse_format(c->takes_name, &c->takes) || !parse_format(c->gives_name, &c->gives))) {
		fprintf(stderr, "sim-agent: unknown formats\n");
		exit(2);
	}
	c->voice.end_after_ms = (int)int_of(agent, "end_after_ms", 400);
	LIST_INSERT_HEAD(&conversations, c, next);
	c->pinger = event_new(base, -1, EV_PERSIST, on_ping_time, c);
	event_add(c->pinger, &every);
	c->pacer = evtimer_new(base, on_pace, c);
	c->ws = sim_ws_server(bev, key, c->id, &events, c);
	report("connected", json_pack("{s:s}", "conversation", c->id));
	if (strcmp(c->bad, "close_at_once") == 0)
		sim_ws_close(c->ws, 1011, "internal error");
}

void conversations_end(void)
{
	while (!LIST_EMPTY(&conversations))
		free_conversation(LIST_FIRST(&conversations));
}
