/*
 * OpenAI Realtime: the conversation. The events of the preview are understood
 * as well, and its session.update is tried when the present one is refused:
 * compatible servers still speak it.
 */
#include "callworker/provider.h"

#include "callworker/json_scan.h"
#include "callworker/openai_messages.h"
#include "callworker/utterances.h"
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

enum {
	MESSAGE_MAX = 4 * 1024 * 1024,
	TEXT_MAX = 64 * 1024,
	ID_SIZE = 128,
	READY_TIMEOUT_MS = 10000, /* from the connection to session.updated */
	RETRY_MS = 1000,          /* after a rate limit */
	RETRIES = 3,
};

struct openai {
	unsigned magic;
	struct ws_loop *loop;
	struct ws *ws;
	const struct provider_events *events;
	void *arg;
	char *prompt, *voice, *first_message;
	json_t *history, *tools;
	bool ready, preview;
	bool responding, respond_again; /* a response is under way; one more is wanted after it */
	unsigned failures;              /* responses that failed, one after the other */
	char session[ID_SIZE];
	char response[ID_SIZE]; /* the present one */
	char stale[ID_SIZE];    /* the one that was interrupted: what comes of it is dropped */
	struct utterances *utterances;
	uint64_t given; /* bytes of audio handed on */
	struct ws_timer ready_timer, retry_timer;
	enum provider_end end;
	char fault[300];
};

static void send_json(struct openai *o, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	if (text == NULL)
		panic("a message to OpenAI is no JSON");
	ws_send(o->ws, text, strlen(text));
	free(text);
}

static void give_up(struct openai *o, enum provider_end end, const char *why)
{
	if (o->fault[0] == '\0') {
		text_printf(o->fault, sizeof o->fault, "%.*s", TEXT_CUT(why, 280));
		o->end = end;
	}
	ws_close(o->ws, LWS_CLOSE_STATUS_NORMAL, "");
}

static void on_ready_timeout(void *arg)
{
	give_up(arg, PROVIDER_LOST, "OpenAI accepted the connection and never answered");
}

/* ---- what the session is told ---- */

static void update_session(struct openai *o)
{
	send_json(o, openai_session(o->prompt, o->voice, o->tools, o->preview));
}

static void create_item(struct openai *o, const char *role, const char *text)
{
	send_json(o, openai_item(role, text, o->preview));
}

/* Only one response at a time: a further one waits for the end of the present. */
static void respond(struct openai *o)
{
	o->respond_again = o->responding;
	if (o->responding)
		return;
	o->responding = true;
	send_json(o, json_build("{s:s}", "type", "response.create"));
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

/* ---- from the session ---- */

static void text_member(json_t *object, const char *name, const char **out)
{
	struct json_reader r;
	json_read_open(&r, object);
	json_read_text(&r, name, JSON_OPTIONAL, 0, TEXT_MAX, out);
}

/* The object under `name`, or NULL. */
static json_t *part(json_t *message, const char *name)
{
	json_t *inner = NULL;
	struct json_reader r;
	json_read_open(&r, message);
	json_read_object(&r, name, JSON_OPTIONAL, &inner);
	return inner;
}

/* Copies a name of the provider's; false when it is too long, or no plain ASCII: then it is to be parsed. */
static bool copy_id(char out[ID_SIZE], const char *id, size_t len)
{
	if (len >= ID_SIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		if (id[i] < ' ' || id[i] == 0x7f)
			return false;
	memcpy(out, id, len);
	out[len] = '\0';
	return true;
}

static void on_created(struct openai *o, json_t *m)
{
	const char *id = "";
	text_member(part(m, "session"), "id", &id);
	copy_id(o->session, id, strlen(id));
	update_session(o);
}

static void on_updated(struct openai *o)
{
	static const struct audio_format pcmu = {8000, true};
	if (o->ready)
		return;
	o->ready = true;
	ws_timer_stop(o->loop, &o->ready_timer);
	o->events->ready(o->arg, o->session, pcmu, pcmu);
	go_on_from(o);
	respond(o); /* else the model is silent until it hears somebody */
}

static void on_error(struct openai *o, json_t *m)
{
	const char *code = "", *message = "an error without words", *type = "";
	char why[300];
	json_t *error = part(m, "error");
	text_member(error, "code", &code);
	text_member(error, "message", &message);
	text_member(error, "type", &type);
	openai_describe(why, sizeof why, code, message);
	if (strcmp(code, "conversation_already_has_active_response") == 0) {
		o->responding = o->respond_again = true;
	} else if (openai_is_final(code)) {
		give_up(o, PROVIDER_REFUSED, why);
	} else if (o->ready || strcmp(code, "session_expired") == 0) {
		log_warn("%s", why); /* mostly not fatal; a session that ended closes */
	} else if (!o->preview && (strcmp(code, "unknown_parameter") == 0 ||
				   strcmp(code, "missing_required_parameter") == 0)) {
		o->preview = true;
		log_info("this server speaks the preview's protocol: %s", why);
		update_session(o);
	} else {
		give_up(o, PROVIDER_REFUSED, why);
	}
}

static void on_speech_started(struct openai *o, struct mono_us born)
{
	snprintf(o->stale, sizeof o->stale, "%s", o->response);
	o->events->interrupted(o->arg, born);
}

static void on_item_added(struct openai *o, json_t *m)
{
	const char *id = "", *type = "", *role = "";
	json_t *item = part(m, "item");
	text_member(item, "id", &id);
	text_member(item, "type", &type);
	text_member(item, "role", &role);
	if (strcmp(type, "message") == 0 && strcmp(role, "assistant") == 0 && id[0] != '\0')
		utterances_agent(o->utterances, id);
}

static void on_committed(struct openai *o, json_t *m)
{
	const char *id = "";
	text_member(m, "item_id", &id);
	if (id[0] != '\0')
		utterances_user(o->utterances, id);
}

static void on_transcription(struct openai *o, json_t *m)
{
	const char *id = "", *transcript = "";
	text_member(m, "item_id", &id);
	text_member(m, "transcript", &transcript);
	utterances_user_text(o->utterances, id, transcript);
}

static void on_transcript_delta(struct openai *o, json_t *m)
{
	const char *id = "", *delta = "";
	text_member(m, "item_id", &id);
	text_member(m, "delta", &delta);
	utterances_agent_text(o->utterances, id, delta);
}

static void on_transcript_done(struct openai *o, json_t *m)
{
	const char *id = "", *transcript = "";
	text_member(m, "item_id", &id);
	text_member(m, "transcript", &transcript);
	utterances_agent_done(o->utterances, id, transcript);
}

static void on_function_call(struct openai *o, json_t *m)
{
	const char *id = NULL, *name = NULL, *arguments = "{}";
	char why[160];
	struct json_reader r;
	json_read_open(&r, m);
	json_read_text(&r, "call_id", JSON_NEEDED, 1, 256, &id);
	json_read_text(&r, "name", JSON_NEEDED, 1, 256, &name);
	json_read_text(&r, "arguments", JSON_OPTIONAL, 0, TEXT_MAX, &arguments);
	if (!json_read_ok(&r)) {
		log_warn("OpenAI's function call: %s", r.faults);
		return;
	}
	json_t *parameters = json_parse_object(arguments, strlen(arguments), why, sizeof why);
	if (parameters != NULL)
		o->events->tool_call(o->arg, id, name, parameters);
	else
		o->events->tool_call(o->arg, id, name, NULL);
	json_decref(parameters);
}

static void on_retry(void *arg)
{
	respond(arg);
}

static void on_response_failed(struct openai *o, json_t *response)
{
	const char *code = "", *message = "the response failed";
	char why[300];
	json_t *error = part(part(response, "status_details"), "error");
	text_member(error, "code", &code);
	text_member(error, "message", &message);
	openai_describe(why, sizeof why, code, message);
	if (openai_is_final(code)) {
		give_up(o, PROVIDER_REFUSED, why);
	} else if (++o->failures > RETRIES) {
		give_up(o, PROVIDER_LOST, why);
	} else {
		log_warn("%s; trying again", why);
		ws_timer_start(o->loop, &o->retry_timer, RETRY_MS * (int)o->failures, on_retry, o);
	}
}

static void on_response_done(struct openai *o, json_t *m)
{
	const char *status = "";
	json_t *response = part(m, "response"), *usage = part(response, "usage");
	text_member(response, "status", &status);
	o->responding = false;
	o->response[0] = '\0';
	if (usage != NULL)
		o->events->usage(o->arg, usage);
	if (strcmp(status, "failed") == 0) {
		on_response_failed(o, response);
		return;
	}
	o->failures = 0;
	if (o->respond_again)
		respond(o);
}

static void on_response_created(struct openai *o, json_t *m)
{
	const char *id = "";
	text_member(part(m, "response"), "id", &id);
	o->responding = true;
	text_copy(o->response, sizeof o->response, id, strlen(id));
}

static const struct {
	const char *type;
	void (*handle)(struct openai *o, json_t *m);
} handlers[] = {
	{"session.created", on_created},
	{"error", on_error},
	{"input_audio_buffer.committed", on_committed},
	{"conversation.item.input_audio_transcription.completed", on_transcription},
	{"conversation.item.input_audio_transcription.failed", on_transcription},
	{"response.created", on_response_created},
	{"response.output_item.added", on_item_added},
	{"response.output_audio_transcript.delta", on_transcript_delta},
	{"response.audio_transcript.delta", on_transcript_delta},
	{"response.output_audio_transcript.done", on_transcript_done},
	{"response.audio_transcript.done", on_transcript_done},
	{"response.function_call_arguments.done", on_function_call},
	{"response.done", on_response_done},
};

static void on_audio(struct openai *o, const char *response, const char *item, const char *base64, size_t len,
		     struct mono_us born)
{
	ssize_t bytes = base64_decoded_len(base64, len);
	if (bytes <= 0 || (o->stale[0] != '\0' && strcmp(response, o->stale) == 0))
		return;
	utterances_agent_audio(o->utterances, item, o->given, (size_t)bytes);
	o->given += (uint64_t)bytes;
	o->events->audio(o->arg, base64, len, born);
}

/* Audio that needed real parsing. */
static void on_audio_message(struct openai *o, json_t *m, struct mono_us born)
{
	const char *response = "", *item = "", *base64 = "";
	struct json_reader r;
	text_member(m, "response_id", &response);
	text_member(m, "item_id", &item);
	json_read_open(&r, m);
	json_read_text(&r, "delta", JSON_OPTIONAL, 0, MESSAGE_MAX, &base64);
	on_audio(o, response, item, base64, strlen(base64), born);
}

static bool is_audio(const char *type)
{
	return strcmp(type, "response.output_audio.delta") == 0 || strcmp(type, "response.audio.delta") == 0;
}

static void on_message(struct openai *o, json_t *m, struct mono_us born)
{
	const char *type = "";
	text_member(m, "type", &type);
	if (strcmp(type, "session.updated") == 0) {
		on_updated(o);
	} else if (strcmp(type, "input_audio_buffer.speech_started") == 0) {
		on_speech_started(o, born);
	} else if (is_audio(type)) {
		on_audio_message(o, m, born);
	} else {
		for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
			if (strcmp(handlers[i].type, type) == 0)
				handlers[i].handle(o, m);
	}
}

/* The common case without parsing: one scan for each member. False: parse it. */
static bool scan_audio(struct openai *o, const char *text, size_t len, struct mono_us born)
{
	const char *base64, *id;
	size_t base64_len, id_len;
	char response[ID_SIZE], item[ID_SIZE];
	if (!json_scan_is(text, len, "type", "response.output_audio.delta") &&
	    !json_scan_is(text, len, "type", "response.audio.delta"))
		return false;
	if (!json_scan_text(text, len, "response_id", &id, &id_len) || !copy_id(response, id, id_len))
		return false;
	if (!json_scan_text(text, len, "item_id", &id, &id_len) || !copy_id(item, id, id_len))
		return false;
	if (!json_scan_text(text, len, "delta", &base64, &base64_len))
		return false;
	on_audio(o, response, item, base64, base64_len, born);
	return true;
}

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
		on_message(o, message, born);
	json_decref(message);
}

static void on_closed(void *arg, const char *why)
{
	struct openai *o = arg;
	unsigned status = ws_http_status(o->ws);
	ws_timer_stop(o->loop, &o->ready_timer);
	ws_timer_stop(o->loop, &o->retry_timer);
	if (o->fault[0] == '\0') {
		bool refused = status == 401 || status == 403 || status == 404;
		o->end = refused ? PROVIDER_REFUSED : PROVIDER_LOST;
		if (status == 401 || status == 403)
			text_printf(o->fault, sizeof o->fault,
				    "OpenAI refuses the key (HTTP %u): check OPENAI_API_KEY", status);
		else if (status == 429)
			text_printf(o->fault, sizeof o->fault,
				    "OpenAI takes no more sessions now (HTTP 429)");
		else
			text_printf(o->fault, sizeof o->fault, "%s: %.*s",
				    o->ready ? "the conversation at OpenAI ended"
					     : "no conversation at OpenAI",
				    TEXT_CUT(why, 200));
	}
	utterances_finish(o->utterances);
	o->events->ended(o->arg, o->fault, o->end);
}

static void on_broken(void *arg, const char *why)
{
	give_up(arg, PROVIDER_LOST, why);
}

static const struct ws_handler ws_events = {on_open, on_text, on_broken, on_closed};

/* ---- utterances, in their order ---- */

static void on_user_said(void *arg, const char *text)
{
	struct openai *o = arg;
	o->events->user_said(o->arg, text);
}

static int64_t on_agent_said(void *arg, const char *text)
{
	struct openai *o = arg;
	return o->events->agent_said(o->arg, text);
}

static void on_agent_corrected(void *arg, int64_t utterance, const char *text)
{
	struct openai *o = arg;
	o->events->agent_corrected(o->arg, utterance, text);
}

static void on_truncated(void *arg, const char *item, int64_t heard_ms)
{
	struct openai *o = arg;
	send_json(o, openai_truncation(item, heard_ms));
}

static const struct utterances_events utterance_events = {on_user_said, on_agent_said, on_agent_corrected,
							  on_truncated};

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
	o->first_message = xstrdup(setup->first_message);
	o->history = json_incref((json_t *)setup->history);
	o->tools = json_incref((json_t *)setup->tools);
	o->utterances = utterances_new(loop, &utterance_events, o);
	o->ws = ws_connect(loop, setup->url, setup->connection, setup->header, MESSAGE_MAX, &ws_events, o);
	ws_timer_start(loop, &o->ready_timer, READY_TIMEOUT_MS, on_ready_timeout, o);
	return o;
}

static void send_audio(void *self, const char *base64, size_t len, struct mono_us born)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
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
	respond(o);
}

static void tool_result(void *self, const char *id, const char *result, bool is_error, bool go_on)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	send_json(o, openai_tool_result(id, result, is_error));
	if (go_on)
		respond(o);
}

static void heard(void *self, uint64_t bytes)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	utterances_heard(o->utterances, bytes);
}

static void close_conversation(void *self)
{
	struct openai *o = self;
	OBJ_CHECK(o, OPENAI_MAGIC);
	ws_timer_stop(o->loop, &o->ready_timer);
	ws_timer_stop(o->loop, &o->retry_timer);
	utterances_free(&o->utterances);
	ws_abandon(&o->ws);
	free(o->prompt);
	free(o->voice);
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
	.heard = heard,
	.close = close_conversation,
	.delays = delays,
};
