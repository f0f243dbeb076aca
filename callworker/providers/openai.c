/*
 * OpenAI Realtime: the conversation's parts and the provider's verbs. The events
 * are in openai_events.c, who may speak in openai_responses.c.
 */
#include "callworker/net/json_scan.h"
#include "callworker/providers/openai_inside.h"
#include "callworker/providers/openai_messages.h"
#include "lib/base/base64.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPENAI_MAGIC 0x6f706169u

enum { READY_TIMEOUT_MS = 10000 }; /* from the connection to session.updated */

void openai_send(struct openai *o, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	if (text == NULL)
		panic("a message to OpenAI is no JSON");
	ws_send(o->ws, text, strlen(text));
	free(text);
}

void openai_give_up(struct openai *o, enum provider_end end, const char *why)
{
	if (o->fault[0] == '\0') {
		text_copy(o->fault, sizeof o->fault, why, strlen(why));
		o->end = end;
	}
	ws_close(o->ws, LWS_CLOSE_STATUS_NORMAL, "");
}

static void on_ready_timeout(void *arg)
{
	openai_give_up(arg, PROVIDER_LOST, "OpenAI accepted the connection and never answered");
}

/* ---- what the session is told ---- */

void openai_update_session(struct openai *o)
{
	struct openai_voice voice = {o->voice, o->transcription_model};
	openai_send(o, openai_session(&voice, o->prompt, o->tools, o->preview));
}

static void create_item(struct openai *o, const char *role, const char *text)
{
	openai_send(o, openai_item(role, text, o->preview));
}

static void go_on_from(struct openai *o)
{
	size_t i;
	json_t *turn;
	json_array_foreach (o->history, i, turn) {
		const char *role = json_string_value(json_object_get(turn, "role"));
		const char *content = json_string_value(json_object_get(turn, "content"));
		if (role != NULL && content != NULL && content[0] != '\0')
			create_item(o, role, content);
	}
	if (o->first_message[0] == '\0')
		return;
	char *text = xasprintf("Say this first, in the language of the conversation: %s", o->first_message);
	create_item(o, "system", text);
	free(text);
}

void openai_begin(struct openai *o)
{
	static const struct audio_format pcmu = {8000, true};
	if (o->ready)
		return;
	o->ready = true;
	ws_timer_stop(o->loop, &o->ready_timer);
	go_on_from(o);
	o->events->ready(o->arg, o->session, pcmu, pcmu);
	if (o->turn.state == RESPONSE_IDLE)
		openai_responses_step(o,
				      RESPONSE_WANTED); /* else the model is silent until it hears somebody */
}

/* ---- audio ---- */

bool openai_copy_id(char out[OPENAI_ID_SIZE], const char *id, size_t len)
{
	if (len >= OPENAI_ID_SIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		if (id[i] < ' ' || id[i] == 0x7f)
			return false;
	memcpy(out, id, len);
	out[len] = '\0';
	return true;
}

void openai_take_audio(struct openai *o, const char *response, const char *item, const char *base64,
		       size_t len, struct mono_us born)
{
	ssize_t bytes = base64_decoded_len(base64, len);
	if (bytes <= 0)
		return;
	if (o->stale[0] != '\0' && strcmp(response, o->stale) == 0) {
		utterances_agent_dropped(o->utterances, item, (size_t)bytes);
		return;
	}
	utterances_agent(o->utterances, item, response);
	utterances_agent_audio(o->utterances, item, o->given, (size_t)bytes);
	o->given += (uint64_t)bytes;
	o->events->audio(o->arg, base64, len, born);
}

/* The common case without parsing: one scan for each member. False: parse it. */
static bool scan_audio(struct openai *o, const char *text, size_t len, struct mono_us born)
{
	const char *base64, *id;
	size_t base64_len, id_len;
	char response[OPENAI_ID_SIZE], item[OPENAI_ID_SIZE];
	if (!json_scan_is(text, len, "type", "response.output_audio.delta") &&
	    !json_scan_is(text, len, "type", "response.audio.delta"))
		return false;
	if (!json_scan_text(text, len, "response_id", &id, &id_len) || !openai_copy_id(response, id, id_len))
		return false;
	if (!json_scan_text(text, len, "item_id", &id, &id_len) || !openai_copy_id(item, id, id_len))
		return false;
	if (!json_scan_text(text, len, "delta", &base64, &base64_len))
		return false;
	openai_take_audio(o, response, item, base64, base64_len, born);
	return true;
}

/* ---- the socket ---- */

static void on_open(void *arg)
{
	(void)arg; /* the session speaks first */
}

static void on_text(void *arg, const char *text, size_t len, struct mono_us born)
{
	struct openai *o = arg;
	char error[160];
	if (o->ready && scan_audio(o, text, len, born))
		return;
	json_t *message = json_parse_object(text, len, error, sizeof error);
	if (message == NULL)
		log_warn("OpenAI sent a message that is %s", error);
	else
		openai_take_message(o, message, born);
	json_decref(message);
}

static void describe_end(struct openai *o, const char *why)
{
	unsigned status = ws_http_status(o->ws);
	o->end = provider_refuses(status) ? PROVIDER_REFUSED : PROVIDER_LOST;
	if (status == 401 || status == 403)
		snprintf(o->fault, sizeof o->fault, "OpenAI refuses the key (HTTP %u): check OPENAI_API_KEY",
			 status);
	else if (status == 429)
		snprintf(o->fault, sizeof o->fault, "OpenAI takes no more sessions now (HTTP 429)");
	else if (status / 100 == 3)
		snprintf(o->fault, sizeof o->fault,
			 "the server redirects to another address (HTTP %u), which would be given the key: "
			 "check OPENAI_WEBSOCKET_URL",
			 status);
	else
		text_printf(o->fault, sizeof o->fault, "%s: %.*s",
			    o->ready ? "the conversation at OpenAI ended" : "no conversation at OpenAI",
			    TEXT_CUT(why, 200));
}

static void stop_timers(struct openai *o)
{
	ws_timer_stop(o->loop, &o->ready_timer);
	ws_timer_stop(o->loop, &o->turn_timer);
}

static void on_closed(void *arg, const char *why)
{
	struct openai *o = arg;
	stop_timers(o);
	if (o->fault[0] == '\0')
		describe_end(o, why);
	utterances_finish(o->utterances, true);
	o->events->ended(o->arg, o->fault, o->end);
}

static void on_broken(void *arg, const char *why)
{
	openai_give_up(arg, PROVIDER_LOST, why);
}

static const struct ws_handler ws_events = {on_open, on_text, on_broken, on_closed};

/* ---- the caller's last words ---- */

/*
 * The server hears the end of speech by the silence after it, which does not come
 * when the voice ends in the middle of a word. A commit makes an item of what is in
 * the buffer and has it written down; no response is made (openai's
 * InputAudioBufferCommitEvent).
 */
void openai_commit(struct openai *o)
{
	if (!o->deaf || !o->speaking)
		return;
	o->speaking = false;
	openai_send(o, json_build("{s:s}", "type", "input_audio_buffer.commit"));
}

static bool is_writing(const struct openai *o)
{
	return o->uncommitted || utterances_awaited(o->utterances);
}

void openai_look_written(struct openai *o)
{
	if (!o->leaving || is_writing(o))
		return;
	o->leaving = false;
	o->events->written(o->arg);
}

/* ---- utterances, in their order ---- */

static int64_t on_user_said(void *arg, const char *text, struct turn_place place)
{
	struct openai *o = arg;
	return o->events->user_said(o->arg, text, place);
}

static int64_t on_agent_said(void *arg, const char *text, struct turn_place place)
{
	struct openai *o = arg;
	return o->events->agent_said(o->arg, text, place);
}

static void on_agent_corrected(void *arg, int64_t utterance, const char *text)
{
	struct openai *o = arg;
	o->events->agent_corrected(o->arg, utterance, text);
}

static void on_truncated(void *arg, const char *item, int64_t heard_ms)
{
	struct openai *o = arg;
	openai_send(o, openai_truncation(item, heard_ms));
}

static const struct utterances_events utterance_events = {on_user_said, on_agent_said, on_agent_corrected,
							  on_truncated};

/* ---- functions ---- */

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0' || strcmp(text, "null") == 0;
}

/* A function without parameters is called with an empty text as often as with {}. */
static void run_function(void *arg, const char *id, const char *name, const char *arguments)
{
	struct openai *o = arg;
	char why[160];
	json_t *parameters = is_blank(arguments)
				     ? json_object()
				     : json_parse_object(arguments, strlen(arguments), why, sizeof why);
	o->events->tool_call(o->arg, id, name, parameters);
	json_decref(parameters);
}

/* ---- the provider ---- */

static void *open_conversation(struct ws_loop *loop, const struct provider_setup *setup,
			       const struct provider_events *events, void *arg)
{
	struct openai *o;
	OBJ_ALLOC(o, OPENAI_MAGIC);
	o->loop = loop;
	o->events = events;
	o->arg = arg;
	o->prompt = xstrdup(setup->prompt);
	o->voice = xstrdup(setup->voice);
	o->transcription_model = xstrdup(setup->transcription_model);
	o->first_message = xstrdup(setup->first_message);
	o->history = json_incref((json_t *)setup->history);
	o->tools = json_incref((json_t *)setup->tools);
	o->utterances = utterances_new(loop, &utterance_events, o);
	o->calls = function_calls_new(run_function, o);
	o->ws = ws_connect(loop, setup->url, setup->connection, setup->header, OPENAI_MESSAGE_MAX, &ws_events,
			   o);
	ws_timer_start(loop, &o->ready_timer, READY_TIMEOUT_MS, on_ready_timeout, o);
	return o;
}

static void send_audio(void *self, const char *base64, size_t len, struct mono_us born)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	o->deaf = false;
	ws_send_between(o->ws, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"", base64, len, "\"}",
			born);
}

static void inject(void *self, const char *text)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	create_item(o, "system", text);
}

static void direct(void *self, const char *text)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	create_item(o, "system", text);
	openai_responses_step(o, RESPONSE_WANTED);
}

static void tool_result(void *self, const char *id, const char *result, bool is_error, bool go_on)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	openai_send(o, openai_tool_result(id, result, is_error));
	function_calls_answered(o->calls, id, go_on);
	openai_responses_look(o);
}

static void interrupt(void *self)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	openai_responses_cancel(o);
}

static void heard(void *self, uint64_t bytes)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	utterances_heard(o->utterances, bytes);
}

static void finish(void *self, bool over)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	o->deaf = true;
	if (!over)
		openai_commit(o);
	utterances_finish(o->utterances, over);
}

static bool leave(void *self)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	o->leaving = is_writing(o);
	return o->leaving;
}

static void close_conversation(void *self)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	stop_timers(o);
	utterances_free(&o->utterances);
	function_calls_free(&o->calls);
	ws_abandon(&o->ws);
	free(o->prompt);
	free(o->voice);
	free(o->transcription_model);
	free(o->first_message);
	json_decref(o->history);
	json_decref(o->tools);
	OBJ_FREE(o);
}

static const struct latency *delays(void *self)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	return ws_delays(o->ws);
}

const struct provider provider_openai = {
	.name = "openai",
	.open = open_conversation,
	.send_audio = send_audio,
	.inject = inject,
	.direct = direct,
	.tool_result = tool_result,
	.interrupt = interrupt,
	.heard = heard,
	.finish = finish,
	.leave = leave,
	.close = close_conversation,
	.delays = delays,
};
