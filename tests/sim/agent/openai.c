/*
 * OpenAI Realtime. Which entry of the scenario speaks is told by a word in the
 * instructions, "#NAME"; without one it is "openai". bad:
 *
 *	preview      an older server: the preview's events, and its session.update only
 *	voice        refuses the voice
 *	quota        every response fails for want of quota
 *	rate_limit   the first two responses fail
 *	silent       never answers
 */
#include "tests/sim/agent/agent.h"

#include "lib/base/base64.h"
#include "tests/sim/common/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *event(struct conversation *c, const char *type, const char *fmt, ...)
{
	char id[40];
	va_list args;
	snprintf(id, sizeof id, "event_%lld", (long long)++c->event_id);
	va_start(args, fmt);
	json_error_t fault;
	json_t *e = json_vpack_ex(&fault, 0, fmt, args);
	va_end(args);
	if (e == NULL) {
		fprintf(stderr, "sim-agent: %s: %s\n", type, fault.text);
		exit(2);
	}
	json_object_set_new(e, "type", json_string(type));
	json_object_set_new(e, "event_id", json_string(id));
	return e;
}

/* The preview had other names for these. */
static const char *name_of(const struct conversation *c, const char *what)
{
	static char name[80];
	snprintf(name, sizeof name, c->preview ? "response.%s" : "response.output_%s", what);
	return name;
}

/* The agent's present item; text: NULL while it is under way. */
static json_t *message_item(const struct conversation *c, const char *status, const char *text)
{
	json_t *item = json_pack("{s:s, s:s, s:s, s:s, s:s, s:[]}", "id", c->item_id, "object", "realtime.item",
				 "type", "message", "status", status, "role", "assistant", "content");
	if (text != NULL)
		json_array_append_new(json_object_get(item, "content"),
				      json_pack("{s:s, s:s}", "type", "output_audio", "transcript", text));
	return item;
}

static void item_done(struct conversation *c, json_t *item)
{
	conversation_send(c, event(c, "response.output_item.done", "{s:s, s:i, s:o}", "response_id", c->response_id,
				   "output_index", 0, "item", item));
}

static json_t *response(const struct conversation *c, const char *status)
{
	return json_pack("{s:s, s:s, s:s, s:[]}", "object", "realtime.response", "id", c->response_id, "status",
			 status, "output");
}

static void send_error(struct conversation *c, const char *code, const char *message)
{
	conversation_send(c, event(c, "error", "{s:{s:s, s:s, s:s, s:n, s:n}}", "error", "type",
				   "invalid_request_error", "code", code, "message", message, "param",
				   "event_id"));
}

static void end_response(struct conversation *c, const char *status)
{
	if (!c->responding)
		return;
	c->responding = false;
	c->waiting_turn = true;
	json_t *done = response(c, status);
	json_object_set_new(done, "usage",
			    json_pack("{s:i, s:i, s:i}", "total_tokens", 150, "input_tokens", 100,
				      "output_tokens", 50));
	conversation_send(c, event(c, "response.done", "{s:o}", "response", done));
}

static void fail_response(struct conversation *c, const char *code, const char *message)
{
	c->responding = false;
	json_t *failed = response(c, "failed");
	json_object_set_new(failed, "status_details",
			    json_pack("{s:s, s:{s:s, s:s, s:s}}", "type", "failed", "error", "type",
				      "invalid_request_error", "code", code, "message", message));
	conversation_send(c, event(c, "response.done", "{s:o}", "response", failed));
}

static void begin_response(struct conversation *c)
{
	snprintf(c->response_id, sizeof c->response_id, "resp_%u", ++c->responses);
	c->responding = true;
	conversation_send(c, event(c, "response.created", "{s:o}", "response", response(c, "in_progress")));
	if (strcmp(c->bad, "quota") == 0) {
		fail_response(c, "insufficient_quota", "You exceeded your current quota.");
		return;
	}
	if (strcmp(c->bad, "rate_limit") == 0 && c->failures++ < 2) {
		fail_response(c, "rate_limit_exceeded", "Rate limit reached.");
		return;
	}
	c->waiting_turn = false;
	/* By now the history is whole. */
	if (json_object_get(c->agent, "dialogue") != NULL && c->script == NULL)
		conversation_begin(c);
	else
		conversation_go_on(c);
}

/* ---- the session ---- */

static void on_open(struct conversation *c)
{
	c->waiting_turn = true;
	conversation_send(c, event(c, "session.created", "{s:{s:s, s:s, s:s, s:s}}", "session", "type", "realtime",
				   "object", "realtime.session", "id", c->id, "model", "gpt-realtime"));
}

static bool has_only(json_t *object, const char *const *known)
{
	const char *name;
	json_t *value;
	json_object_foreach (object, name, value) {
		bool ok = false;
		for (size_t i = 0; known[i] != NULL; i++)
			ok = ok || strcmp(name, known[i]) == 0;
		if (!ok)
			return false;
	}
	return true;
}

static void check_tools(struct conversation *c, json_t *session)
{
	size_t i;
	json_t *tool;
	json_array_foreach (json_object_get(session, "tools"), i, tool)
		if (strcmp(text_of(tool, "type", ""), "function") != 0 || text_of(tool, "name", NULL) == NULL ||
		    !json_is_object(json_object_get(tool, "parameters")))
			violation(c->id, "a tool is no function with a name and parameters");
}

static bool lacks_items(const json_t *schema)
{
	const char *name;
	json_t *value;
	if (strcmp(text_of(schema, "type", ""), "array") == 0 && json_object_get(schema, "items") == NULL)
		return true;
	json_object_foreach ((json_t *)schema, name, value)
		if (json_is_object(value) && lacks_items(value))
			return true;
	return false;
}

/* What of JSON Schema the parameters of a function must not have; NULL: all is well. */
static const char *parameters_fault(json_t *session)
{
	static const char *const at_top[] = {"oneOf", "anyOf", "allOf", "enum", "not"};
	size_t i;
	json_t *tool;
	json_array_foreach (json_object_get(session, "tools"), i, tool) {
		json_t *parameters = json_object_get(tool, "parameters");
		for (size_t k = 0; k < sizeof at_top / sizeof *at_top; k++)
			if (json_object_get(parameters, at_top[k]) != NULL)
				return "Invalid schema for function: a keyword that the top level must not have.";
		if (strcmp(text_of(parameters, "type", ""), "object") != 0)
			return "Invalid schema for function: its type is not object.";
		if (lacks_items(parameters))
			return "Invalid schema for function: array schema missing items.";
	}
	return NULL;
}

/* What is wrong with a session.update of the present interface; NULL if nothing. */
static const char *session_fault(json_t *session)
{
	static const char *const known[] = {"type", "instructions", "output_modalities", "audio", "tools",
					    "tool_choice", NULL};
	json_t *audio = json_object_get(session, "audio");
	json_t *in = json_object_get(audio, "input"), *out = json_object_get(audio, "output");
	if (strcmp(text_of(session, "type", ""), "realtime") != 0)
		return "session.type must be realtime";
	if (!has_only(session, known))
		return "an unknown member of session";
	if (strcmp(text_of(json_object_get(in, "format"), "type", ""), "audio/pcmu") != 0 ||
	    strcmp(text_of(json_object_get(out, "format"), "type", ""), "audio/pcmu") != 0)
		return "the formats must be audio/pcmu: nothing else is simulated";
	if (text_of(json_object_get(in, "transcription"), "model", NULL) == NULL)
		return "no transcription: there would be no transcript of the caller";
	if (strcmp(text_of(json_object_get(in, "transcription"), "model", ""), "whisper-1") == 0)
		return "whisper-1 is shut down";
	return NULL;
}

static const char *preview_fault(json_t *session)
{
	if (json_object_get(session, "type") != NULL || json_object_get(session, "audio") != NULL)
		return "an unknown parameter for this server";
	if (strcmp(text_of(session, "input_audio_format", ""), "g711_ulaw") != 0 ||
	    strcmp(text_of(session, "output_audio_format", ""), "g711_ulaw") != 0)
		return "the formats must be g711_ulaw";
	return NULL;
}

/* "#NAME" in the instructions. */
static json_t *chosen(struct conversation *c, const char *instructions)
{
	const char *at = strchr(instructions, '#');
	char name[64] = "openai";
	for (; at != NULL; at = strchr(at + 1, '#')) {
		sscanf(at + 1, "%63[a-z0-9-]", name);
		json_t *found = json_object_get(c->agents, name);
		if (found != NULL)
			return found;
	}
	return json_object_get(c->agents, "openai");
}

static void on_session_update(struct conversation *c, json_t *m)
{
	json_t *session = json_object_get(m, "session");
	const char *instructions = text_of(session, "instructions", "");
	const char *voice = text_of(session, "voice", NULL);
	if (c->agent == NULL) {
		json_t *agent = chosen(c, instructions);
		if (agent == NULL) {
			fprintf(stderr, "sim-agent: no agent for %s\n", instructions);
			exit(2);
		}
		conversation_choose(c, agent, false);
		if (c->trace) /* on_text did not know it yet */
			report("got", json_pack("{s:s, s:O}", "conversation", c->id, "message", m));
	}
	bool preview = strcmp(c->bad, "preview") == 0;
	const char *fault = preview ? preview_fault(session) : session_fault(session);
	if (fault != NULL && preview) {
		c->preview = true;
		send_error(c, "unknown_parameter", "Unknown parameter: 'session.type'.");
		return;
	}
	if (fault != NULL) {
		violation(c->id, "session.update: %s", fault);
		return;
	}
	if (voice == NULL)
		voice = text_of(json_object_get(json_object_get(session, "audio"), "output"), "voice", "");
	check_tools(c, session);
	fault = parameters_fault(session);
	if (fault != NULL) {
		send_error(c, "invalid_function_parameters", fault);
		return;
	}
	json_t *audio = json_object_get(json_object_get(session, "audio"), "input");
	const char *transcription = text_of(json_object_get(audio, "transcription"), "model",
					    text_of(json_object_get(session, "input_audio_transcription"), "model", ""));
	report("initiated", json_pack("{s:s, s:s, s:s, s:O, s:s}", "conversation", c->id, "prompt", instructions,
				      "voice", voice, "tools", json_object_get(session, "tools"), "transcription",
				      transcription));
	if (strcmp(c->bad, "silent") == 0)
		return;
	if (strcmp(c->bad, "voice") == 0) {
		send_error(c, "invalid_value", "Invalid value: 'fable'. Supported values are: 'alloy', 'ash'.");
		return;
	}
	conversation_send(c, event(c, "session.updated", "{s:O}", "session", session));
	c->initiated = true;
}

/* ---- the agent ---- */

static void says(struct conversation *c, const json_t *step)
{
	(void)step;
	snprintf(c->item_id, sizeof c->item_id, "item_%u", ++c->items);
	c->item_bytes = 0;
	conversation_send(c, event(c, "response.output_item.added", "{s:s, s:i, s:o}", "response_id", c->response_id,
				   "output_index", 0, "item", message_item(c, "in_progress", NULL)));
	c->text_sent = 0;
}

/* The words come a little before their sound. */
static void send_words(struct conversation *c)
{
	const char *text = text_of(c->speech_step, "say", "");
	size_t len = strlen(text), until = len;
	if (c->speech_at < c->speech_len)
		until = (size_t)((double)len * (double)(c->speech_at + 2400) / (double)c->speech_len);
	while (until < len && text[until] != ' ')
		until++;
	if (until > len)
		until = len;
	if (until <= c->text_sent)
		return;
	conversation_send(c, event(c, name_of(c, "audio_transcript.delta"), "{s:s, s:s, s:i, s:i, s:s#}",
				   "response_id", c->response_id, "item_id", c->item_id, "output_index", 0,
				   "content_index", 0, "delta", text + c->text_sent, until - c->text_sent));
	c->text_sent = until;
}

static void audio(struct conversation *c, const uint8_t *bytes, size_t len)
{
	if (strcmp(c->mode, "echo") == 0 && c->item_id[0] == '\0') {
		strcpy(c->item_id, "item_echo");
		strcpy(c->response_id, "resp_echo");
	}
	if (c->speech_step != NULL)
		send_words(c);
	char *base64 = malloc(BASE64_LEN(len) + 1), *text;
	base64[base64_encode(bytes, len, base64)] = '\0';
	int n = asprintf(&text,
			 "{\"type\":\"%s\",\"event_id\":\"event_%lld\",\"response_id\":\"%s\",\"item_id\":\"%s\","
			 "\"output_index\":0,\"content_index\":0,\"delta\":\"%s\"}",
			 name_of(c, "audio.delta"), (long long)++c->event_id, c->response_id, c->item_id, base64);
	sim_ws_text(c->ws, text, (size_t)n);
	if (c->trace) {
		json_t *m = json_loads(text, 0, NULL);
		report("sent", json_pack("{s:s, s:o}", "conversation", c->id, "message", m));
	}
	c->item_bytes += len;
	json_object_set_new(c->item_ms, c->item_id, json_integer((json_int_t)(c->item_bytes / 8)));
	free(text);
	free(base64);
}

static void transcript_done(struct conversation *c, const char *text)
{
	conversation_send(c, event(c, name_of(c, "audio_transcript.done"), "{s:s, s:s, s:i, s:i, s:s}",
				   "response_id", c->response_id, "item_id", c->item_id, "output_index", 0,
				   "content_index", 0, "transcript", text));
}

static void said(struct conversation *c)
{
	if (strcmp(c->mode, "echo") == 0)
		return;
	const json_t *next = json_array_get(c->script, c->step + 1);
	transcript_done(c, text_of(c->speech_step, "say", ""));
	item_done(c, message_item(c, "completed", text_of(c->speech_step, "say", "")));
	/* A tool is called in the same response. */
	if (json_object_get(next, "tool") == NULL)
		end_response(c, "completed");
}

/* In parts, as the words of a sound come. */
static void writes(struct conversation *c, const char *text)
{
	size_t half = strlen(text) / 2;
	snprintf(c->item_id, sizeof c->item_id, "item_%u", ++c->items);
	conversation_send(c, event(c, "response.output_item.added", "{s:s, s:i, s:o}", "response_id", c->response_id,
				   "output_index", 0, "item", message_item(c, "in_progress", NULL)));
	for (int part = 0; part < 2; part++)
		conversation_send(c, event(c, name_of(c, "text.delta"), "{s:s, s:s, s:i, s:i, s:s#}", "response_id",
					   c->response_id, "item_id", c->item_id, "output_index", 0, "content_index",
					   0, "delta", part ? text + half : text, part ? strlen(text) - half : half));
	conversation_send(c, event(c, name_of(c, "text.done"), "{s:s, s:s, s:i, s:i, s:s}", "response_id",
				   c->response_id, "item_id", c->item_id, "output_index", 0, "content_index", 0,
				   "text", text));
	json_t *item = message_item(c, "completed", NULL);
	json_array_append_new(json_object_get(item, "content"),
			      json_pack("{s:s, s:s}", "type", c->preview ? "text" : "output_text", "text", text));
	item_done(c, item);
}

static void speech_started(struct conversation *c)
{
	conversation_send(c, event(c, "input_audio_buffer.speech_started", "{s:i, s:s}", "audio_start_ms",
				   (int)(c->bytes / 8), "item_id", "item_next"));
}

static void cancel_response(struct conversation *c, const json_t *step)
{
	if (c->responding && step != NULL) {
		/* Stale audio that was on its way already. */
		uint8_t stale[800];
		memset(stale, 0x00, sizeof stale);
		audio(c, stale, sizeof stale);
		transcript_done(c, text_of(step, "say", ""));
		item_done(c, message_item(c, "incomplete", text_of(step, "say", "")));
	}
	end_response(c, "cancelled");
}

static void interrupts(struct conversation *c, const json_t *step)
{
	speech_started(c);
	cancel_response(c, step);
}

static void heard(struct conversation *c, const char *text)
{
	char id[40];
	snprintf(id, sizeof id, "item_%u", ++c->items);
	conversation_send(c, event(c, "input_audio_buffer.speech_stopped", "{s:i, s:s}", "audio_end_ms",
				   (int)(c->bytes / 8), "item_id", id));
	conversation_send(c, event(c, "input_audio_buffer.committed", "{s:n, s:s}", "previous_item_id", "item_id",
				   id));
	/* The answer is quicker than the transcript, as with the real service. */
	begin_response(c);
	conversation_send(c, event(c, "conversation.item.input_audio_transcription.completed",
				   "{s:s, s:i, s:s, s:{s:s, s:i}}", "item_id", id, "content_index", 0,
				   "transcript", text, "usage", "type", "duration", "seconds", 1));
}

/* The caller's voice has ended in the middle of a word: what there is of it becomes an item, without an answer. */
static void on_commit(struct conversation *c)
{
	char id[40];
	report("commit", json_pack("{s:s, s:b}", "conversation", c->id, "speaking", c->was_speaking));
	if (!c->was_speaking) {
		send_error(c, "input_audio_buffer_commit_empty",
			   "Error committing input audio buffer: buffer too small.");
		return;
	}
	c->was_speaking = c->hearing = false;
	snprintf(id, sizeof id, "item_%u", ++c->items);
	conversation_send(c, event(c, "input_audio_buffer.committed", "{s:n, s:s}", "previous_item_id", "item_id",
				   id));
	conversation_send(c, event(c, "conversation.item.input_audio_transcription.completed",
				   "{s:s, s:i, s:s, s:{s:s, s:i}}", "item_id", id, "content_index", 0,
				   "transcript", "", "usage", "type", "duration", "seconds", 1));
}

static void calls_tool(struct conversation *c, const json_t *step)
{
	json_t *parameters = json_object_get(step, "parameters");
	char id[40], *arguments = json_is_string(parameters) ? strdup(json_string_value(parameters))
							     : json_dumps(parameters, JSON_COMPACT);
	snprintf(id, sizeof id, "item_%u", ++c->items);
	conversation_send(c, event(c, "response.function_call_arguments.done",
				   "{s:s, s:s, s:i, s:s, s:s, s:s}", "response_id", c->response_id, "item_id",
				   id, "output_index", 1, "call_id", c->tool_id, "name",
				   text_of(step, "tool", ""), "arguments", arguments));
	item_done(c, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", id, "object", "realtime.item", "type",
			       "function_call", "status", "completed", "call_id", c->tool_id, "name",
			       text_of(step, "tool", ""), "arguments", arguments));
	free(arguments);
	end_response(c, "completed");
}

/* ---- what is said to us ---- */

static void on_item_create(struct conversation *c, json_t *m)
{
	json_t *item = json_object_get(m, "item"), *content = json_array_get(json_object_get(item, "content"), 0);
	const char *type = text_of(item, "type", ""), *role = text_of(item, "role", "");
	const char *text = text_of(content, "text", NULL), *kind = text_of(content, "type", "");
	if (strcmp(type, "function_call_output") == 0) {
		const char *output = text_of(item, "output", NULL);
		conversation_result(c, text_of(item, "call_id", ""), output,
				    output != NULL && strncmp(output, "Error: ", 7) == 0);
		return;
	}
	const char *wanted = strcmp(role, "assistant") ? "input_text" : c->preview ? "text" : "output_text";
	if (strcmp(type, "message") != 0 || text == NULL || strcmp(kind, wanted) != 0) {
		violation(c->id, "conversation.item.create: a %s of role %s with content %s", type, role, kind);
		return;
	}
	if (strcmp(role, "system") == 0) {
		conversation_context(c, text);
		return;
	}
	report("history", json_pack("{s:s, s:s, s:s}", "conversation", c->id, "role", role, "text", text));
	conversation_remember(c, text);
	if (!c->resumed && strcmp(role, "assistant") == 0)
		conversation_choose(c, c->agent, c->resumed = true);
}

static void on_truncate(struct conversation *c, json_t *m)
{
	const char *id = text_of(m, "item_id", "");
	json_t *there = json_object_get(c->item_ms, id);
	int64_t end = int_of(m, "audio_end_ms", -1);
	report("truncate", json_pack("{s:s, s:s, s:I, s:I}", "conversation", c->id, "item", id, "ms",
				     (json_int_t)end, "of", json_integer_value(there)));
	if (there == NULL || int_of(m, "content_index", -1) != 0 || end < 0)
		violation(c->id, "truncate of an item that is none");
	else if (end > json_integer_value(there))
		violation(c->id, "Audio content of %lld ms is already shorter than %lld ms",
			  (long long)json_integer_value(there), (long long)end);
	else
		conversation_send(c, event(c, "conversation.item.truncated", "{s:s, s:i, s:I}", "item_id", id,
					   "content_index", 0, "audio_end_ms", (json_int_t)end));
}

static void on_response_create(struct conversation *c)
{
	if (c->responding)
		violation(c->id, "Conversation already has an active response in progress");
	else
		begin_response(c);
}

static void on_response_cancel(struct conversation *c, json_t *m)
{
	const char *id = text_of(m, "response_id", c->response_id);
	report("cancel", json_pack("{s:s, s:s, s:b}", "conversation", c->id, "response", id, "active", c->responding));
	if (!c->responding || strcmp(id, c->response_id) != 0) {
		send_error(c, "response_cancel_not_active", "Cancellation failed: no active response found");
		return;
	}
	const json_t *step = c->speech_step;
	conversation_silence(c);
	cancel_response(c, step);
	conversation_advance(c);
}

static void on_message(struct conversation *c, json_t *m, const char *text)
{
	const char *type = text_of(m, "type", "");
	if (strcmp(type, "session.update") == 0)
		on_session_update(c, m);
	else if (!c->initiated)
		violation(c->id, "%s came before session.updated", type);
	else if (strcmp(type, "input_audio_buffer.append") == 0 && json_object_size(m) == 2)
		conversation_hear(c, text_of(m, "audio", "?"));
	else if (strcmp(type, "input_audio_buffer.commit") == 0)
		on_commit(c);
	else if (strcmp(type, "conversation.item.create") == 0)
		on_item_create(c, m);
	else if (strcmp(type, "conversation.item.truncate") == 0)
		on_truncate(c, m);
	else if (strcmp(type, "response.create") == 0)
		on_response_create(c);
	else if (strcmp(type, "response.cancel") == 0)
		on_response_cancel(c, m);
	else
		violation(c->id, "unknown message: %.200s", text);
}

const struct dialect dialect_openai = {
	.name = "openai",
	.open = on_open,
	.text = on_message,
	.says = says,
	.audio = audio,
	.said = said,
	.writes = writes,
	.interrupts = interrupts,
	.heard = heard,
	.calls_tool = calls_tool,
	.interrupts_always = true,
	.speech_started = speech_started,
};
