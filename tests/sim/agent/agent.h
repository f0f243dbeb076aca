/*
 * The simulated voice providers: their HTTP and WebSocket port, the conversation
 * that a scenario describes, and the protocols (dialects) in which it is held.
 */
#ifndef SIM_AGENT_H
#define SIM_AGENT_H

#include "tests/sim/common/sound.h"
#include "tests/sim/common/ws.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <sys/queue.h>

struct format {
	unsigned rate_hz;
	bool mulaw;
};

struct conversation;

struct dialect {
	const char *name;
	/* The socket is open. */
	void (*open)(struct conversation *c);
	/* One message of the other side. */
	void (*text)(struct conversation *c, json_t *message, const char *text);
	/* The agent begins to say the step's text; audio follows, then said. */
	void (*says)(struct conversation *c, const json_t *step);
	void (*audio)(struct conversation *c, const uint8_t *bytes, size_t len);
	/* All audio of the step has been sent; heard: and has been heard, too. */
	void (*said)(struct conversation *c);
	/* The agent says something without a sound; NULL: it cannot. */
	void (*writes)(struct conversation *c, const char *text);
	/* The caller speaks over it: what is not sent yet never will be. */
	void (*interrupts)(struct conversation *c, const json_t *step);
	/* The caller has said this. */
	void (*heard)(struct conversation *c, const char *text);
	void (*calls_tool)(struct conversation *c, const json_t *step);
	void (*ping)(struct conversation *c);
	/* Any word of the caller interrupts, not only in steps that expect it. */
	bool interrupts_always;
	/* The caller begins to speak while the agent says nothing. */
	void (*speech_started)(struct conversation *c);
};

struct conversation {
	LIST_ENTRY(conversation) next;
	const struct dialect *dialect;
	struct event_base *base;
	struct sim_ws *ws;
	struct bufferevent *bev; /* the socket's */
	json_t *agents, *agent, *script;
	char id[80], takes_name[24], gives_name[24];
	const char *mode, *bad;
	struct format takes, gives;
	bool initiated, over, trace;
	size_t step;
	json_t *contexts; /* that no step has waited for yet */
	bool waiting_result, waiting_context, waiting_turn, hearing;
	char tool_id[32];
	unsigned tools;
	int64_t event_id, ping_id;
	struct event *timer, *pinger, *pacer;
	/* speaking */
	uint8_t *speech;
	size_t speech_len, speech_at;
	int64_t speech_end_us; /* when the last word will have been heard */
	const json_t *speech_step;
	/* listening */
	int16_t *heard; /* all of it, for hear_to */
	size_t heard_count, heard_cap;
	struct voice voice;
	bool was_speaking;
	uint64_t chunks, bytes;
	uint32_t next_stamp, lost, reordered;
	int64_t *delays;
	size_t delay_count, delay_cap;
	bool first_audio;
	/* a dialogue: the last turn and the last reply that the history has */
	int told, replied;
	json_t *dialogue; /* the script made of it */
	/* OpenAI's */
	bool responding, preview, resumed;
	unsigned responses, items, failures;
	size_t text_sent; /* of the present item's words */
	char response_id[40], item_id[40];
	uint64_t item_bytes; /* of audio sent for the present item */
	json_t *item_ms;     /* how much of each item there is */
};

extern const struct dialect dialect_elevenlabs, dialect_openai;

/* The upgrade was read: bev is handed over. id: the agent's; agent may be NULL until conversation_choose. */
void conversation_start(struct event_base *base, struct bufferevent *bev, const char *key,
			const struct dialect *dialect, const char *id, json_t *agents, json_t *agent);
/* Takes this entry of the scenario; again: the conversation goes on after a loss. */
void conversation_choose(struct conversation *c, json_t *agent, bool again);
/* A line of the history that a conversation which goes on is given. */
void conversation_remember(struct conversation *c, const char *text);
/* The other side has said what it must first: the script begins. */
void conversation_begin(struct conversation *c);
/* Runs what can be run. */
void conversation_go_on(struct conversation *c);
/* The next step. */
void conversation_advance(struct conversation *c);
/* What is being said is broken off. */
void conversation_silence(struct conversation *c);
/* base64 of the caller's audio. */
void conversation_hear(struct conversation *c, const char *base64);
/* The result of a tool; the script goes on. */
void conversation_result(struct conversation *c, const char *id, const char *result, int is_error);
/* Context from outside. */
void conversation_context(struct conversation *c, const char *text);
void conversation_send(struct conversation *c, json_t *message);
/* All that is going on is cut short. */
void conversations_end(void);

#endif
