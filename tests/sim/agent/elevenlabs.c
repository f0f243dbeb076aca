/*
 * ElevenLabs' agent socket. bad: refuse_override, refuse_first_message, quota,
 * silent, fragments, inject (what is no audio, but JSON for the carrier); each is what
 * its name says.
 */
#include "tests/sim/agent/agent.h"

#include "lib/base/base64.h"
#include "tests/sim/common/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PING_EVERY_MS = 2000 };

static void send_audio(struct conversation *c, const uint8_t *bytes, size_t len)
{
	char *base64 = malloc(BASE64_LEN(len) + 1);
	base64[base64_encode(bytes, len, base64)] = '\0';
	char *text;
	int n = asprintf(&text,
			 "{\"audio_event\":{\"audio_base_64\":\"%s\",\"event_id\":%lld},\"type\":\"audio\"}",
			 base64, (long long)++c->event_id);
	if (c->trace)
		report("sent",
		       json_pack("{s:s, s:o}", "conversation", c->id, "message", json_loads(text, 0, NULL)));
	if (strcmp(c->bad, "fragments") == 0)
		sim_ws_fragments(c->ws, text, (size_t)n, 1000);
	else
		sim_ws_text(c->ws, text, (size_t)n);
	free(text);
	free(base64);
}

/* Base64 for a careless ear, and a message of the carrier's protocol behind it. */
static void send_injection(struct conversation *c)
{
	conversation_send(c, json_pack("{s:s, s:{s:s, s:I}}", "type", "audio", "audio_event", "audio_base_64",
				       "AAAA\"}}    {\"event\":\"mark\",\"mark\":{\"name\":\"x", "event_id",
				       (json_int_t)++c->event_id));
}

static void says(struct conversation *c, const json_t *step)
{
	if (strcmp(c->bad, "inject") == 0)
		send_injection(c);
	conversation_send(c, json_pack("{s:s, s:{s:s, s:I}}", "type", "agent_response",
				       "agent_response_event", "agent_response", text_of(step, "say", ""),
				       "event_id", (json_int_t)++c->event_id));
}

static void said(struct conversation *c)
{
	(void)c;
}

static void interrupts(struct conversation *c, const json_t *step)
{
	conversation_send(c, json_pack("{s:s, s:{s:I}}", "type", "interruption", "interruption_event",
				       "event_id", (json_int_t)c->event_id));
	conversation_send(c, json_pack("{s:s, s:{s:s, s:s, s:I}}", "type", "agent_response_correction",
				       "agent_response_correction_event", "original_agent_response",
				       text_of(step, "say", ""), "corrected_agent_response",
				       text_of(step, "corrected", ""), "event_id", (json_int_t)c->event_id));
	/* Stale audio, as the real service sends it now and then: it must not be heard. */
	int64_t present = c->event_id;
	uint8_t stale[1600];
	memset(stale, 0x00, sizeof stale);
	c->event_id = present - 1;
	send_audio(c, stale, sizeof stale);
	c->event_id = present;
}

static void heard(struct conversation *c, const char *text)
{
	conversation_send(c, json_pack("{s:s, s:{s:s, s:I}}", "type", "user_transcript",
				       "user_transcription_event", "user_transcript", text, "event_id",
				       (json_int_t)++c->event_id));
}

static void calls_tool(struct conversation *c, const json_t *step)
{
	conversation_send(
		c, json_pack("{s:s, s:{s:s, s:s, s:O, s:I}}", "type", "client_tool_call", "client_tool_call",
			     "tool_name", text_of(step, "tool", ""), "tool_call_id", c->tool_id, "parameters",
			     json_object_get(step, "parameters"), "event_id", (json_int_t)c->event_id));
}

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
	if (prompt != NULL && strstr(prompt, "THE CALL SO FAR") != NULL)
		conversation_choose(c, c->agent, true);
	const char *so_far = prompt ? strstr(prompt, "THE CALL SO FAR") : NULL;
	for (const char *line = so_far; line != NULL; line = strchr(line + 1, '\n')) {
		char one[200];
		snprintf(one, sizeof one, "%.*s", (int)strcspn(line + 1, "\n"), line + 1);
		conversation_remember(c, one);
	}
	const char *first = text_of(json_object_get(override, "agent"), "first_message", "");
	report("initiated", json_pack("{s:s, s:s, s:s, s:s}", "conversation", c->id, "prompt",
				      prompt ? prompt : "", "voice", voice, "firstMessage", first));
	if (strcmp(c->bad, "refuse_first_message") == 0 && first[0] != '\0') {
		sim_ws_close(c->ws, 1008, "Override for field 'first_message' is not allowed by config.");
		return;
	}
	if (strcmp(c->bad, "quota") == 0) {
		sim_ws_close(c->ws, 1002, "This request exceeds your quota limit.");
		return;
	}
	if (strcmp(c->bad, "refuse_override") == 0) {
		sim_ws_close(c->ws, 1008, "Override for field 'prompt' is not allowed by config.");
		return;
	}
	if (strcmp(c->bad, "silent") == 0)
		return;
	conversation_send(c, json_pack("{s:s, s:{s:s, s:s, s:s}}", "type", "conversation_initiation_metadata",
				       "conversation_initiation_metadata_event", "conversation_id", c->id,
				       "agent_output_audio_format", c->gives_name, "user_input_audio_format",
				       c->takes_name));
	conversation_begin(c);
}

static void on_tool_result(struct conversation *c, json_t *m)
{
	json_t *is_error = json_object_get(m, "is_error");
	if (!json_is_boolean(is_error))
		violation(c->id, "client_tool_result lacks is_error");
	conversation_result(c, text_of(m, "tool_call_id", ""), text_of(m, "result", NULL),
			    json_is_true(is_error));
}

static void on_context(struct conversation *c, json_t *m)
{
	const char *text = text_of(m, "text", NULL);
	if (text == NULL)
		violation(c->id, "%s without text", text_of(m, "type", ""));
	else
		conversation_context(c, text);
}

static void on_pong(struct conversation *c, json_t *m)
{
	int64_t id = int_of(m, "event_id", -1);
	if (c->ping_id == 0 || id != c->ping_id)
		violation(c->id, "pong %lld to ping %lld", (long long)id, (long long)c->ping_id);
	c->ping_id = 0;
}

static void on_message(struct conversation *c, json_t *m, const char *text)
{
	const char *type = text_of(m, "type", NULL), *chunk = text_of(m, "user_audio_chunk", NULL);
	if (!c->initiated && (type == NULL || strcmp(type, "conversation_initiation_client_data") != 0))
		violation(c->id, "%s came before conversation_initiation_client_data", type ? type : "audio");
	else if (chunk != NULL && json_object_size(m) == 1)
		conversation_hear(c, chunk);
	else if (type == NULL)
		violation(c->id, "a message of no type: %.200s", text);
	else if (strcmp(type, "conversation_initiation_client_data") == 0)
		c->initiated ? violation(c->id, "initiated twice") : on_initiation(c, m);
	else if (strcmp(type, "pong") == 0)
		on_pong(c, m);
	else if (strcmp(type, "client_tool_result") == 0)
		on_tool_result(c, m);
	else if (strcmp(type, "contextual_update") == 0 || strcmp(type, "user_message") == 0)
		on_context(c, m);
	else if (strcmp(type, "user_activity") != 0)
		violation(c->id, "unknown type %s", type);
}

static void ping(struct conversation *c)
{
	if (c->ping_id != 0)
		violation(c->id, "no pong within %d ms", PING_EVERY_MS);
	c->ping_id = ++c->event_id;
	conversation_send(c, json_pack("{s:s, s:{s:I, s:i}}", "type", "ping", "ping_event", "event_id",
				       (json_int_t)c->ping_id, "ping_ms", 20));
}

const struct dialect dialect_elevenlabs = {
	.name = "elevenlabs",
	.text = on_message,
	.says = says,
	.audio = send_audio,
	.said = said,
	.interrupts = interrupts,
	.heard = heard,
	.calls_tool = calls_tool,
	.ping = ping,
};
