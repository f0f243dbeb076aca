/*
 * What a voice provider is: one file that fills a struct provider. It speaks
 * the provider's protocol and nothing else; the audio's formats are converted
 * in agent.c, and what follows from an event is decided in call.c.
 */
#ifndef PHONY_CALLWORKER_PROVIDERS_PROVIDER_H
#define PHONY_CALLWORKER_PROVIDERS_PROVIDER_H

#include "callworker/net/websocket.h"
#include "lib/base/clock.h"

#include <jansson.h>

struct audio_format {
	unsigned rate_hz;
	bool mulaw; /* else signed 16 bit little-endian */
};

struct provider_setup {
	const char *url;    /* where to connect, credentials included */
	int connection;     /* to the URL's host, or on its way there; handed over */
	const char *header; /* one more request header, or NULL */
	const char *prompt;
	const char *voice;               /* "" for the agent's own */
	const char *transcription_model; /* writes down what the caller says, where that can be chosen */
	const char *call_type;           /* "outgoing" or "incoming" */
	const char *from_number, *to_number;
	const char *first_message; /* what the agent says first; "" for its own choice */
	const json_t *history;     /* [{role, content}]: the call so far, when it goes on; or NULL */
	const json_t *tools;       /* [{name, description, parameters}]: what the agent may call */
};

enum provider_end {
	PROVIDER_DONE,    /* as the agent wished */
	PROVIDER_LOST,    /* the connection broke: another may go on */
	PROVIDER_REFUSED, /* it will not work the next time either: credentials, quota, settings */
};

/*
 * Whether an upgrade that was answered with this HTTP status is refused for good:
 * what a client did wrong (RFC 9110, 15.5) or a redirect, which is not followed. A
 * time-out (408), too early (425) and too many (429) are matters of the moment.
 */
static inline bool provider_refuses(unsigned http_status)
{
	bool passing = http_status == 408 || http_status == 425 || http_status == 429;
	return http_status >= 300 && http_status < 500 && !passing;
}

/* Where an utterance stands whose text came after that of a later one. */
struct turn_place {
	int64_t before;      /* the number of the turn that it precedes; 0: it is the newest */
	struct wall_ms said; /* when; 0: now */
};

struct provider_events {
	/* The conversation may begin: the formats it takes and gives. */
	void (*ready)(void *arg, const char *conversation_id, struct audio_format takes,
		      struct audio_format gives);
	/* base64 of audio in the format given; borrowed. */
	void (*audio)(void *arg, const char *base64, size_t len, struct mono_us born);
	/*
	 * The person spoke over the agent: what is buffered is stale. A provider that
	 * wants to know how much was heard is told by its heard() from within.
	 */
	void (*interrupted)(void *arg, struct mono_us born);
	/* Both return a number for the turn, for agent_corrected and for places; 0: it is not kept. */
	int64_t (*user_said)(void *arg, const char *text, struct turn_place place);
	int64_t (*agent_said)(void *arg, const char *text, struct turn_place place);
	/* What was heard of an utterance before an interruption. */
	void (*agent_corrected)(void *arg, int64_t utterance, const char *text);
	/* Answered, now or later, by tool_result with this id. parameters: borrowed. */
	void (*tool_call)(void *arg, const char *id, const char *name, json_t *parameters);
	/* After leave(): what the caller said is written down now. */
	void (*written)(void *arg);
	/* What the provider says that it has counted (tokens, say); borrowed. */
	void (*usage)(void *arg, json_t *counts);
	/* The conversation is over or could not begin; told once. */
	void (*ended)(void *arg, const char *why, enum provider_end end);
};

struct provider {
	const char *name;
	void *(*open)(struct ws_loop *loop, const struct provider_setup *setup,
		      const struct provider_events *events, void *arg);
	/* base64 of audio in the format it takes. */
	void (*send_audio)(void *self, const char *base64, size_t len, struct mono_us born);
	/* Text that the agent learns without answering it. */
	void (*inject)(void *self, const char *text);
	/* An instruction that the agent follows at once, by speaking or by a tool. */
	void (*direct)(void *self, const char *text);
	/* go_on: the agent is to speak on with it. */
	void (*tool_result)(void *self, const char *id, const char *result, bool is_error, bool go_on);
	/*
	 * The owner interrupts what the agent says: the response under way is ended, and
	 * no more of its audio comes. heard() follows. NULL: the provider cannot be told.
	 */
	void (*interrupt)(void *self);
	/* After an interruption: so many bytes of all audio that this conversation gave were heard. NULL: no
	 * matter. */
	void (*heard)(void *self, uint64_t bytes);
	/*
	 * What was said and is held back is told now. over: the call is; else neither side is heard
	 * from now on, and the caller's texts may still come. NULL: nothing is held back.
	 */
	void (*finish)(void *self, bool over);
	/*
	 * Nothing more is said, and the owner is about to close. True: something that the caller said is
	 * being written down; written() follows. NULL: that is not known.
	 */
	bool (*leave)(void *self);
	/* No event after this. */
	void (*close)(void *self);
	const struct latency *(*delays)(void *self);
};

extern const struct provider provider_elevenlabs, provider_openai;

#endif
