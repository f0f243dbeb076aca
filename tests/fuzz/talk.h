/* A voice provider that is told messages, a line each, by somebody who means no good. */
#ifndef PHONY_FUZZ_TALK_H
#define PHONY_FUZZ_TALK_H

#include "tests/fuzz/fuzz.h"

#include "tests/unit/provider_setup.h"

#include <string.h>

struct talk {
	const struct provider *provider;
	void *self;
	uint64_t given;
};

static void on_ready(void *arg, const char *id, struct audio_format takes, struct audio_format gives)
{
	(void)arg;
	(void)id;
	(void)takes;
	(void)gives;
}

static void on_audio(void *arg, const char *base64, size_t len, struct mono_us born)
{
	struct talk *t = arg;
	t->given += len;
	t->provider->send_audio(t->self, base64, len, born);
}

static void on_interrupted(void *arg, struct mono_us born)
{
	struct talk *t = arg;
	(void)born;
	if (t->provider->heard != NULL)
		t->provider->heard(t->self, t->given / 2);
}

static int64_t on_user_said(void *arg, const char *text, struct turn_place place)
{
	struct talk *t = arg;
	t->provider->inject(t->self, text);
	return place.before + 1;
}

static int64_t on_agent_said(void *arg, const char *text, struct turn_place place)
{
	(void)arg;
	return (int64_t)strlen(text) + place.before;
}

static void on_agent_corrected(void *arg, int64_t utterance, const char *text)
{
	(void)arg;
	(void)utterance;
	(void)text;
}

static void on_tool(void *arg, const char *id, const char *name, json_t *parameters)
{
	struct talk *t = arg;
	(void)name;
	t->provider->tool_result(t->self, id, "ok", parameters == NULL, true);
}

static void on_written(void *arg)
{
	(void)arg;
}

static void on_usage(void *arg, json_t *counts)
{
	(void)arg;
	(void)counts;
}

static void on_ended(void *arg, const char *why, enum provider_end end)
{
	(void)arg;
	(void)why;
	(void)end;
}

static const struct provider_events talk_events = {on_ready,     on_audio,      on_interrupted,
						   on_user_said, on_agent_said, on_agent_corrected,
						   on_tool,      on_written,    on_usage,
						   on_ended};

static int talk(const struct provider *provider, const uint8_t *data, size_t size)
{
	json_t *history = json_pack("[{s:s, s:s}]", "role", "assistant", "content", "Hello.");
	struct provider_setup setup = provider_setup("Sorry.", history, NULL);
	struct talk t = {.provider = provider};
	t.self = provider->open(NULL, &setup, &talk_events, &t);
	fuzz_ws_handler->open(fuzz_ws_arg);
	while (size > 0) {
		const uint8_t *newline = memchr(data, '\n', size);
		size_t len = newline ? (size_t)(newline - data) : size;
		fuzz_ws_handler->text(fuzz_ws_arg, (const char *)data, len, mono_now());
		len += newline != NULL;
		data += len;
		size -= len;
	}
	if (provider->interrupt != NULL)
		provider->interrupt(t.self);
	if (provider->finish != NULL)
		provider->finish(t.self, true);
	fuzz_ws_handler->closed(fuzz_ws_arg, "Override of prompt");
	provider->close(t.self);
	json_decref(history);
	return 0;
}

#endif
