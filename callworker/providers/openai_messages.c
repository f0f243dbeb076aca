#include "callworker/providers/openai_messages.h"

#include "lib/base/buffer.h"
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *functions(const json_t *tools)
{
	json_t *list = json_array(), *tool;
	size_t i;
	json_array_foreach (tools, i, tool) {
		json_t *f = json_copy(tool);
		json_object_set_new(f, "type", json_text("function"));
		json_array_append_new(list, f);
	}
	return list;
}

static json_t *session_now(const struct openai_voice *voice, const char *prompt, const json_t *tools)
{
	return json_build(
		"{s:s, s:s, s:[s], s:o, s:s, s:{s:{s:{s:s}, s:{s:s}, s:{s:s, s:b, s:b}}, s:{s:{s:s}, "
		"s:s}}}",
		"type", "realtime", "instructions", prompt, "output_modalities", "audio", "tools",
		functions(tools), "tool_choice", "auto", "audio", "input", "format", "type", "audio/pcmu",
		"transcription", "model", voice->transcription_model, "turn_detection", "type", "server_vad",
		"create_response", 1, "interrupt_response", 1, "output", "format", "type", "audio/pcmu",
		"voice", voice->name);
}

static json_t *session_preview(const struct openai_voice *voice, const char *prompt, const json_t *tools)
{
	return json_build("{s:s, s:[s, s], s:s, s:s, s:s, s:{s:s}, s:{s:s}, s:o, s:s}", "instructions",
			  prompt, "modalities", "text", "audio", "voice", voice->name, "input_audio_format",
			  "g711_ulaw", "output_audio_format", "g711_ulaw", "input_audio_transcription",
			  "model", voice->transcription_model, "turn_detection", "type", "server_vad",
			  "tools", functions(tools), "tool_choice", "auto");
}

json_t *openai_tools_in_words(const json_t *tools)
{
	json_t *list = json_array(), *tool;
	size_t i;
	json_array_foreach (tools, i, tool) {
		const char *description = json_string_value(json_object_get(tool, "description"));
		char *schema = json_dumps(json_object_get(tool, "parameters"), JSON_COMPACT);
		char *text = xasprintf("%s\nThe arguments' JSON Schema: %s", description ? description : "",
				       schema ? schema : "{}");
		json_array_append_new(list, json_build("{s:O, s:s, s:{s:s, s:{}}}", "name",
						       json_object_get(tool, "name"), "description", text,
						       "parameters", "type", "object", "properties"));
		free(schema);
		free(text);
	}
	return list;
}

json_t *openai_session(const struct openai_voice *voice, const char *prompt, const json_t *tools,
		       bool preview)
{
	return json_build("{s:s, s:o}", "type", "session.update", "session",
			  preview ? session_preview(voice, prompt, tools)
				  : session_now(voice, prompt, tools));
}

json_t *openai_item(const char *role, const char *text, bool preview)
{
	const char *type = strcmp(role, "assistant") != 0 ? "input_text" : preview ? "text" : "output_text";
	return json_build("{s:s, s:{s:s, s:s, s:[{s:s, s:s}]}}", "type", "conversation.item.create", "item",
			  "type", "message", "role", role, "content", "type", type, "text", text);
}

json_t *openai_tool_result(const char *id, const char *result, bool is_error)
{
	char *output = is_error ? xasprintf("Error: %s", result) : xstrdup(result);
	json_t *message = json_build("{s:s, s:{s:s, s:s, s:s}}", "type", "conversation.item.create", "item",
				     "type", "function_call_output", "call_id", id, "output", output);
	free(output);
	return message;
}

json_t *openai_truncation(const char *item, int64_t heard_ms)
{
	return json_build("{s:s, s:s, s:i, s:I}", "type", "conversation.item.truncate", "item_id", item,
			  "content_index", 0, "audio_end_ms", (json_int_t)heard_ms);
}

json_t *openai_create(const char *event)
{
	return json_build("{s:s, s:s}", "type", "response.create", "event_id", event);
}

json_t *openai_cancel(const char *response, const char *event)
{
	return json_build("{s:s, s:s, s:s*}", "type", "response.cancel", "event_id", event, "response_id",
			  response[0] ? response : NULL);
}

char *openai_item_text(const json_t *item, bool *written)
{
	struct buffer text = {0};
	size_t i;
	json_t *content;
	*written = false;
	json_array_foreach (json_object_get(item, "content"), i, content) {
		const char *spoken = json_string_value(json_object_get(content, "transcript"));
		const char *plain = json_string_value(json_object_get(content, "text"));
		if (spoken == NULL && plain != NULL)
			*written = true;
		if (spoken != NULL || plain != NULL)
			buffer_append_text(&text, spoken ? spoken : plain);
	}
	buffer_append(&text, "", 1);
	return (char *)text.data;
}

void openai_describe(char *out, size_t size, const char *code, const char *message)
{
	if (strcmp(code, "invalid_api_key") == 0)
		snprintf(out, size, "OpenAI refuses the key: check OPENAI_API_KEY (%.*s)",
			 TEXT_CUT(message, 150));
	else if (strcmp(code, "insufficient_quota") == 0)
		snprintf(out, size, "OpenAI's quota is used up: check the plan and billing (%.*s)",
			 TEXT_CUT(message, 150));
	else if (strcmp(code, "model_not_found") == 0)
		snprintf(out, size, "OpenAI has no such model for this key: check OPENAI_MODEL (%.*s)",
			 TEXT_CUT(message, 150));
	else
		snprintf(out, size, "OpenAI: %.*s%s%.*s%s", TEXT_CUT(message, 200), code[0] ? " (" : "",
			 TEXT_CUT(code, 60), code[0] ? ")" : "");
}

bool openai_is_final(const char *code)
{
	return strcmp(code, "invalid_api_key") == 0 || strcmp(code, "insufficient_quota") == 0 ||
	       strcmp(code, "model_not_found") == 0;
}

bool openai_is_busy(const char *code, const char *message)
{
	return strcmp(code, "conversation_already_has_active_response") == 0 ||
	       (code[0] == '\0' && strstr(message, "active response") != NULL &&
		strstr(message, "no active response") == NULL);
}
