/* Messages of ElevenLabs' agents, a line each. */
#include "tests/fuzz/fuzz.h"

#include "callworker/provider.h"

#include <string.h>

static void on_ready(void *arg, const char *id, struct audio_format takes, struct audio_format gives)
{
	(void)arg;
	(void)id;
	(void)takes;
	(void)gives;
}

static void on_audio(void *arg, const char *base64, size_t len, struct mono_us born)
{
	provider_elevenlabs.send_audio(*(void **)arg, base64, len, born);
}

static void on_interrupted(void *arg, struct mono_us born)
{
	(void)arg;
	(void)born;
}

static void on_text(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static void on_tool(void *arg, const char *id, const char *name, json_t *parameters)
{
	(void)name;
	(void)parameters;
	provider_elevenlabs.tool_result(*(void **)arg, id, "ok", false);
}

static void on_ended(void *arg, const char *why, bool clean)
{
	(void)arg;
	(void)why;
	(void)clean;
}

static const struct provider_events events = {on_ready, on_audio, on_interrupted, on_text,
					      on_text,  on_text,  on_tool,        on_ended};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct provider_setup setup = {"ws://x", NULL, "", "prompt", "", "outgoing", "+1", "+2"};
	void *self = NULL;
	self = provider_elevenlabs.open(NULL, &setup, &events, &self);
	fuzz_ws_handler->open(fuzz_ws_arg);
	while (size > 0) {
		const uint8_t *newline = memchr(data, '\n', size);
		size_t len = newline ? (size_t)(newline - data) : size;
		fuzz_ws_handler->text(fuzz_ws_arg, (const char *)data, len, mono_now());
		len += newline != NULL;
		data += len;
		size -= len;
	}
	fuzz_ws_handler->closed(fuzz_ws_arg, "Override of prompt");
	provider_elevenlabs.close(self);
	return 0;
}
