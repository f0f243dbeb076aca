/*
 * The agent's end of a call: a conversation with the provider, opened anew when
 * its connection breaks or cannot be made, a few times and not for ever; the caller's audio on its way to it
 * and the agent's on its way to the playout, in the formats that each takes.
 */
#ifndef PHONY_CALLWORKER_CONVERSATION_AGENT_H
#define PHONY_CALLWORKER_CONVERSATION_AGENT_H

#include "callworker/audio/playout.h"
#include "callworker/providers/provider.h"

struct agent;

struct agent_events {
	/* The conversation has begun, or goes on with a new connection; data is stolen. */
	void (*connected)(void *arg, json_t *data);
	/* Audio of the agent went out; quiet_ms: see playout_quiet_ms, before it. */
	void (*spoke)(void *arg, int quiet_ms);
	void (*interrupted)(void *arg, struct mono_us born);
	int64_t (*user_said)(void *arg, const char *text, struct turn_place place);
	int64_t (*agent_said)(void *arg, const char *text, struct turn_place place);
	void (*agent_corrected)(void *arg, int64_t utterance, const char *text);
	void (*tool_call)(void *arg, const char *id, const char *name, json_t *parameters);
	void (*usage)(void *arg, json_t *counts);
	/* The connection broke, or could not be made, the first one as any other: agent_connect again, with a
	 * new address. */
	void (*lost)(void *arg, const char *why);
	/* There will be no agent any more. done: as it wished. */
	void (*ended)(void *arg, const char *why, bool done);
	/* After agent_close: the caller's last words are told. */
	void (*closed)(void *arg);
};

struct agent_setup {
	const struct provider *provider;
	const char *prompt, *voice, *transcription_model, *call_type, *from_number, *to_number;
	const char *first_message; /* of a conversation that goes on */
	const json_t *tools;
	/* What was said so far; asked for at each opening. */
	const json_t *(*history)(void *arg);
};

/* setup is copied, what it points to is borrowed. */
struct agent *agent_new(struct ws_loop *loop, struct playout *playout, const struct agent_setup *setup,
			const struct agent_events *events, void *arg);
void agent_free(struct agent **a);

/* Opens the conversation there: see struct provider_setup. The texts are copied, connection is handed over.
 */
void agent_connect(struct agent *a, const char *url, int connection, const char *header);
/* Within ended(), of an agent that was done: it is lost instead, and lost() or ended() follows. */
void agent_retry(struct agent *a);
/* The agent is not heard from now on: what it has said and is not told yet is told within. */
void agent_finish(struct agent *a);
/*
 * Ends the conversation: what was said and is not told yet is told within. What the caller said
 * last may still have to be written down: then the connection is kept for that, three seconds at
 * most, and user_said() and closed() follow; else no event does.
 */
void agent_close(struct agent *a);
/* Whether it can be spoken with now. */
bool agent_is_ready(const struct agent *a);
/* Whether a connection is there, ready or not, or being closed. */
bool agent_is_open(const struct agent *a);

/* The caller's voice: base64 of mu-law. Kept, up to a limit, until the agent is ready. */
void agent_hear(struct agent *a, const char *base64, size_t len, struct mono_us born);
/*
 * See callworker/providers/provider.h. What comes while there is no connection is kept for the
 * next one; what was injected into one is injected into its successor again.
 */
void agent_inject(struct agent *a, const char *text);
void agent_direct(struct agent *a, const char *text);
/* What the agent says is not heard any further: the provider ends it, what is buffered is dropped. */
void agent_interrupt(struct agent *a);
/* The result of a tool that an earlier connection called is told as an instruction. */
void agent_tool_result(struct agent *a, const char *id, const char *result, bool is_error, bool go_on);

/* From the caller's voice coming in to its writing, of all connections so far. */
const struct latency *agent_delays(struct agent *a);

#endif
