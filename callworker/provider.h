/*
 * What a voice provider is: one file that fills a struct provider. It speaks
 * the provider's protocol and nothing else; the audio's formats are converted,
 * and what follows from an event is decided, in call.c.
 */
#ifndef PHONY_PROVIDER_H
#define PHONY_PROVIDER_H

#include "callworker/ws.h"

#include <jansson.h>

struct audio_format {
	unsigned rate_hz;
	bool mulaw; /* else signed 16 bit little-endian */
};

struct provider_setup {
	const char *url;    /* where to connect, credentials included */
	const char *header; /* one more request header, or NULL */
	const char *ca_file;
	const char *prompt;
	const char *voice;     /* "" for the agent's own */
	const char *call_type; /* "outgoing" or "incoming" */
	const char *from_number, *to_number;
};

struct provider_events {
	/* The conversation may begin: the formats it takes and gives. */
	void (*ready)(void *arg, const char *conversation_id, struct audio_format takes,
		      struct audio_format gives);
	/* base64 of audio in the format given; borrowed. */
	void (*audio)(void *arg, const char *base64, size_t len, struct mono_us born);
	/* The person spoke over the agent: what is buffered is stale. */
	void (*interrupted)(void *arg, struct mono_us born);
	void (*user_said)(void *arg, const char *text);
	void (*agent_said)(void *arg, const char *text);
	/* What was heard of the agent's last utterance before an interruption. */
	void (*agent_corrected)(void *arg, const char *text);
	/* Answered, now or later, by tool_result with this id. parameters: borrowed. */
	void (*tool_call)(void *arg, const char *id, const char *name, json_t *parameters);
	/* The conversation is over (clean: as the agent wished) or could not begin; told once. */
	void (*ended)(void *arg, const char *why, bool clean);
};

struct provider {
	const char *name;
	void *(*open)(struct ws_loop *loop, const struct provider_setup *setup,
		      const struct provider_events *events, void *arg);
	/* base64 of audio in the format it takes. */
	void (*send_audio)(void *self, const char *base64, size_t len, struct mono_us born);
	/* Text that the agent learns without answering it. */
	void (*inject)(void *self, const char *text);
	void (*tool_result)(void *self, const char *id, const char *result, bool is_error);
	/* No event after this. */
	void (*close)(void *self);
	const struct latency *(*delays)(void *self);
};

extern const struct provider provider_elevenlabs;

#endif
