/* What an OpenAI session tells. The preview's names are understood as well: compatible servers still speak
 * it. */
#include "callworker/providers/openai_inside.h"
#include "callworker/providers/openai_messages.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void text_member(json_t *object, const char *name, const char **out)
{
	struct json_reader r;
	json_read_open(&r, object);
	json_read_text(&r, name, JSON_OPTIONAL, 0, OPENAI_TEXT_MAX, out);
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

static bool is(const char *text, const char *word)
{
	return strcmp(text, word) == 0;
}

/* ---- the session ---- */

static void on_created(struct openai *o, json_t *m)
{
	const char *id = "";
	text_member(part(m, "session"), "id", &id);
	openai_copy_id(o->session, id, strlen(id));
	openai_update_session(o);
}

static void on_updated(struct openai *o, json_t *m)
{
	(void)m;
	openai_begin(o);
}

/* Of an outcomeSchema, most likely: phony checks what comes of it, too. */
static bool is_about_tools(const char *code, const char *param)
{
	return is(code, "invalid_function_parameters") ||
	       (strstr(param, "tools") != NULL && strstr(param, "parameters") != NULL);
}

static void on_error(struct openai *o, json_t *m)
{
	const char *code = "", *message = "an error without words", *type = "", *event = "", *param = "";
	char why[300];
	json_t *error = part(m, "error");
	text_member(error, "code", &code);
	text_member(error, "message", &message);
	text_member(error, "type", &type);
	text_member(error, "event_id", &event);
	text_member(error, "param", &param);
	openai_describe(why, sizeof why, code, message);
	if (strstr(param, "transcription") != NULL)
		text_printf(why, sizeof why, "OpenAI: %.*s: check OPENAI_TRANSCRIPTION_MODEL",
			    TEXT_CUT(message, 200));
	if (openai_is_final(code)) {
		openai_give_up(o, PROVIDER_REFUSED, why);
	} else if (is(code, "session_expired")) {
		openai_give_up(o, PROVIDER_LOST, why); /* an hour is over: another goes on */
	} else if (is(code, "input_audio_buffer_commit_empty")) {
		o->uncommitted = false; /* the server was quicker, or heard nothing */
		openai_look_written(o);
	} else if (o->ready) {
		if (error == NULL || !openai_responses_error(o, event, code, message, why))
			log_warn("%s", why); /* mostly not fatal */
	} else if (!o->in_words && is_about_tools(code, param)) {
		json_t *tools = o->tools;
		o->in_words = true;
		o->tools = openai_tools_in_words(tools);
		json_decref(tools);
		log_warn("%s: the functions' parameters are told in words", why);
		openai_update_session(o);
	} else if (!o->preview && (is(code, "unknown_parameter") || is(code, "missing_required_parameter"))) {
		o->preview = true;
		log_info("this server speaks the preview's protocol: %s", why);
		openai_update_session(o);
	} else {
		openai_give_up(o, is(type, "server_error") ? PROVIDER_LOST : PROVIDER_REFUSED, why);
	}
}

/* ---- the caller ---- */

static void on_speech_started(struct openai *o, struct mono_us born)
{
	snprintf(o->stale, sizeof o->stale, "%s", o->response);
	openai_responses_step(o, RESPONSE_SPEECH);
	o->events->interrupted(o->arg, born);
	o->speaking = o->uncommitted = true;
	openai_commit(o);
}

static void on_speech_stopped(struct openai *o, json_t *m)
{
	(void)m;
	o->speaking = false;
	openai_responses_step(o, RESPONSE_SPEECH_END);
}

static void on_committed(struct openai *o, json_t *m)
{
	const char *id = "", *after = "";
	text_member(m, "item_id", &id);
	text_member(m, "previous_item_id", &after);
	o->speaking = o->uncommitted = false;
	if (id[0] != '\0')
		utterances_user(o->utterances, id, after);
	if (o->turn.state == RESPONSE_CALLER || o->turn.state == RESPONSE_CALLER_ASKED)
		openai_responses_step(o, RESPONSE_SPEECH_END); /* a server that does not tell the end */
}

static void on_transcription_delta(struct openai *o, json_t *m)
{
	const char *id = "", *delta = "";
	text_member(m, "item_id", &id);
	text_member(m, "delta", &delta);
	utterances_user_more(o->utterances, id, delta);
}

static void on_transcription(struct openai *o, json_t *m)
{
	const char *id = "", *transcript = "";
	text_member(m, "item_id", &id);
	text_member(m, "transcript", &transcript);
	utterances_user_done(o->utterances, id, transcript);
	openai_look_written(o);
}

/* ---- the agent's words ---- */

static void on_item_added(struct openai *o, json_t *m)
{
	const char *id = "", *type = "", *role = "", *response = "";
	json_t *item = part(m, "item");
	text_member(m, "response_id", &response);
	text_member(item, "id", &id);
	text_member(item, "type", &type);
	text_member(item, "role", &role);
	if (is(type, "message") && is(role, "assistant") && id[0] != '\0')
		utterances_agent(o->utterances, id, response);
}

static void take_words(struct openai *o, json_t *m, const char *member, bool whole, bool written)
{
	const char *id = "", *text = "", *response = "";
	text_member(m, "item_id", &id);
	text_member(m, "response_id", &response);
	text_member(m, member, &text);
	utterances_agent(o->utterances, id, response);
	if (whole)
		utterances_agent_done(o->utterances, id, text, written);
	else
		utterances_agent_more(o->utterances, id, text, written);
}

static void on_transcript_delta(struct openai *o, json_t *m)
{
	take_words(o, m, "delta", false, false);
}

static void on_transcript_done(struct openai *o, json_t *m)
{
	take_words(o, m, "transcript", true, false);
}

static void on_text_delta(struct openai *o, json_t *m)
{
	take_words(o, m, "delta", false, true);
}

static void on_text_done(struct openai *o, json_t *m)
{
	log_warn("OpenAI answered in writing: nobody hears it");
	take_words(o, m, "text", true, true);
}

/* ---- items and responses ---- */

/* arguments: their text, as a rule; some servers send the object itself. */
static void add_call(struct openai *o, json_t *call, const char *response)
{
	const char *id = "", *name = "", *arguments = "";
	json_t *object = part(call, "arguments");
	char *text = json_is_object(object) ? json_dumps(object, JSON_COMPACT) : NULL;
	text_member(call, "call_id", &id);
	text_member(call, "name", &name);
	text_member(call, "arguments", &arguments);
	if (id[0] == '\0')
		log_warn("OpenAI called the function %.*s without a call_id: it cannot be answered",
			 TEXT_CUT(name, 100));
	else
		function_calls_add(o->calls, id, response, name, text ? text : arguments);
	free(text);
}

static void on_function_call(struct openai *o, json_t *m)
{
	const char *response = "";
	text_member(m, "response_id", &response);
	add_call(o, m, response);
}

/* An item is over. */
static void end_item(struct openai *o, json_t *item, const char *response, bool complete)
{
	const char *id = "", *type = "", *role = "", *status = "", *call_id = "";
	text_member(item, "id", &id);
	text_member(item, "type", &type);
	text_member(item, "role", &role);
	text_member(item, "status", &status);
	text_member(item, "call_id", &call_id);
	complete = complete && (is(status, "completed") || is(status, ""));
	if (is(type, "function_call")) {
		if (complete)
			add_call(o, item, response);
		function_calls_end(o->calls, call_id, complete);
	} else if (is(type, "message") && is(role, "assistant")) {
		bool written;
		char *text = openai_item_text(item, &written);
		utterances_agent(o->utterances, id, response);
		utterances_agent_more(o->utterances, id, "", written);
		utterances_agent_end(o->utterances, id, text, !complete);
		free(text);
	}
}

static void on_item_done(struct openai *o, json_t *m)
{
	const char *response = "";
	text_member(m, "response_id", &response);
	end_item(o, part(m, "item"), response, true);
}

static void on_response_created(struct openai *o, json_t *m)
{
	const char *id = "";
	text_member(part(m, "response"), "id", &id);
	if (!openai_copy_id(o->response, id, strlen(id)))
		o->response[0] = '\0';
	openai_responses_step(o, RESPONSE_CREATED);
}

static void on_response_failed(struct openai *o, json_t *response)
{
	const char *code = "", *message = "the response failed";
	char why[300];
	json_t *error = part(part(response, "status_details"), "error");
	text_member(error, "code", &code);
	text_member(error, "message", &message);
	openai_describe(why, sizeof why, code, message);
	if (openai_is_final(code))
		openai_give_up(o, PROVIDER_REFUSED, why);
	else
		openai_responses_fail(o, RESPONSE_FAILED, why);
}

static void on_response_done(struct openai *o, json_t *m)
{
	const char *status = "", *id = "";
	json_t *response = part(m, "response"), *usage = part(response, "usage"), *output = NULL, *item;
	struct json_reader r;
	size_t i;
	text_member(response, "status", &status);
	text_member(response, "id", &id);
	json_read_open(&r, response);
	json_read_any(&r, "output", JSON_OPTIONAL, &output);
	bool complete = is(status, "completed") || is(status, "");
	/* Of another one than the present: its items are over, and that is all. */
	bool present = id[0] == '\0' || o->response[0] == '\0' || is(id, o->response);
	if (usage != NULL)
		o->events->usage(o->arg, usage);
	json_array_foreach (output, i, item)
		end_item(o, item, id, complete);
	utterances_response_end(o->utterances, id, !complete);
	function_calls_response_end(o->calls, id, complete);
	if (present) {
		o->response[0] = '\0';
		o->failures = complete ? 0 : o->failures;
		if (is(status, "failed"))
			on_response_failed(o, response);
		else
			openai_responses_step(o, RESPONSE_DONE);
	}
	openai_responses_look(o);
}

/* ---- audio that needed real parsing ---- */

static void on_audio(struct openai *o, json_t *m, struct mono_us born)
{
	const char *response = "", *item = "", *base64 = "";
	struct json_reader r;
	text_member(m, "response_id", &response);
	text_member(m, "item_id", &item);
	json_read_open(&r, m);
	json_read_text(&r, "delta", JSON_OPTIONAL, 0, OPENAI_MESSAGE_MAX, &base64);
	openai_take_audio(o, response, item, base64, strlen(base64), born);
}

static const struct {
	const char *type;
	void (*handle)(struct openai *o, json_t *m);
} handlers[] = {
	{"session.created", on_created},
	{"session.updated", on_updated},
	{"error", on_error},
	{"input_audio_buffer.speech_stopped", on_speech_stopped},
	{"input_audio_buffer.committed", on_committed},
	{"conversation.item.input_audio_transcription.delta", on_transcription_delta},
	{"conversation.item.input_audio_transcription.completed", on_transcription},
	{"conversation.item.input_audio_transcription.failed", on_transcription},
	{"response.created", on_response_created},
	{"response.output_item.added", on_item_added},
	{"response.output_audio_transcript.delta", on_transcript_delta},
	{"response.audio_transcript.delta", on_transcript_delta},
	{"response.output_audio_transcript.done", on_transcript_done},
	{"response.audio_transcript.done", on_transcript_done},
	{"response.output_text.delta", on_text_delta},
	{"response.text.delta", on_text_delta},
	{"response.output_text.done", on_text_done},
	{"response.text.done", on_text_done},
	{"response.function_call_arguments.done", on_function_call},
	{"response.output_item.done", on_item_done},
	{"response.done", on_response_done},
};

void openai_take_message(struct openai *o, json_t *m, struct mono_us born)
{
	const char *type = "";
	text_member(m, "type", &type);
	if (is(type, "input_audio_buffer.speech_started")) {
		on_speech_started(o, born);
	} else if (is(type, "response.output_audio.delta") || is(type, "response.audio.delta")) {
		on_audio(o, m, born);
	} else {
		for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
			if (is(handlers[i].type, type))
				handlers[i].handle(o, m);
	}
}
