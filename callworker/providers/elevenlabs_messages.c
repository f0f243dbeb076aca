#include "callworker/providers/elevenlabs_messages.h"

#include "lib/base/buffer.h"
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <stdlib.h>
#include <string.h>

/* The prompt, and what was said when the conversation goes on; freed by the caller. */
static char *make_prompt(const struct provider_setup *setup)
{
	struct buffer text = {0};
	size_t i;
	json_t *turn;
	buffer_append_text(&text, setup->prompt);
	if (json_array_size(setup->history) > 0)
		buffer_append_text(&text,
				   "\n\n=== THE CALL SO FAR (the line broke for a moment; go on from here, "
				   "do not start over) ===\n");
	json_array_foreach (setup->history, i, turn) {
		const char *role = json_string_value(json_object_get(turn, "role"));
		const char *content = json_string_value(json_object_get(turn, "content"));
		char *line = xasprintf("%s: %s\n", role && strcmp(role, "assistant") == 0 ? "You" : "They",
				       content ? content : "");
		buffer_append_text(&text, line);
		free(line);
	}
	buffer_append(&text, "", 1);
	return (char *)text.data;
}

char *elevenlabs_initiation(const struct provider_setup *setup)
{
	char *prompt = make_prompt(setup);
	json_t *agent = json_build("{s:{s:s}}", "prompt", "prompt", prompt);
	free(prompt);
	if (setup->first_message[0] != '\0')
		json_object_set_new(agent, "first_message", json_text(setup->first_message));
	json_t *override = json_build("{s:o}", "agent", agent);
	if (setup->voice[0] != '\0')
		json_object_set_new(override, "tts", json_build("{s:s}", "voice_id", setup->voice));
	json_t *message = json_build("{s:s, s:o, s:{s:s, s:s, s:s}}", "type",
				     "conversation_initiation_client_data", "conversation_config_override",
				     override, "dynamic_variables", "call_type", setup->call_type,
				     "from_number", setup->from_number, "to_number", setup->to_number);
	char *text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	if (text == NULL)
		panic("the prompt is no UTF-8");
	return text;
}

bool elevenlabs_format(const char *name, struct audio_format *format)
{
	static const unsigned rates[] = {8000, 16000, 22050, 24000, 44100, 48000};
	if (strcmp(name, "ulaw_8000") == 0) {
		*format = (struct audio_format){8000, true};
		return true;
	}
	if (strncmp(name, "pcm_", 4) != 0)
		return false;
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
		if ((unsigned)atoi(name + 4) == rates[i]) {
			*format = (struct audio_format){rates[i], false};
			return true;
		}
	return false;
}
