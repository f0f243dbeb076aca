#include "voiced/prompt.h"

#include "lib/base/buffer.h"
#include "lib/base/panic.h"

#include <string.h>

enum { HISTORY_MAX = 32 * 1024 };

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

char *prompt_make(const struct call *call)
{
	const char *system = call_text(call, "systemInstructions");
	const char *specific = call_text(call, "callInstructions");
	const char *history = call_history(call);
	return xasprintf("%s%s%s%s%s", system,
			 is_blank(specific) ? "" : "\n\n=== SPECIFIC INSTRUCTIONS FOR THIS CALL ===\n",
			 is_blank(specific) ? "" : specific,
			 history[0] ? "\n\n=== THE CALL SO FAR (the line broke for a moment; go on from "
				      "here, do not start over) ===\n"
				    : "",
			 history);
}

char *prompt_history(json_t *turns)
{
	struct buffer text = {.max = HISTORY_MAX};
	size_t i;
	json_t *turn;
	json_array_foreach (turns, i, turn) {
		const char *role = json_string_value(json_object_get(turn, "role"));
		const char *content = json_string_value(json_object_get(turn, "content"));
		if (role == NULL || content == NULL)
			continue;
		char *line = xasprintf("%s: %s\n", strcmp(role, "assistant") == 0 ? "You" : "They", content);
		buffer_append_text(&text, line);
		free(line);
	}
	buffer_append(&text, "", 1);
	return (char *)text.data;
}
