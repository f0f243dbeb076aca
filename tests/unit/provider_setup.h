/* A conversation as the tests of the voice providers ask for it. */
#ifndef PHONY_PROVIDER_SETUP_H
#define PHONY_PROVIDER_SETUP_H

#include "callworker/providers/provider.h"

/* history and tools are borrowed; tools may be NULL. */
static inline struct provider_setup provider_setup(const char *first_message, json_t *history, json_t *tools)
{
	return (struct provider_setup){.url = "ws://x",
				       .connection = -1,
				       .prompt = "prompt",
				       .voice = "",
				       .transcription_model = "gpt-transcribe",
				       .call_type = "outgoing",
				       .from_number = "+1",
				       .to_number = "+2",
				       .first_message = first_message,
				       .history = history,
				       .tools = tools};
}

#endif
