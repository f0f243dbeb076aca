/* What the three files of an OpenAI conversation share: openai.c, openai_events.c, openai_responses.c. */
#ifndef PHONY_CALLWORKER_PROVIDERS_OPENAI_INSIDE_H
#define PHONY_CALLWORKER_PROVIDERS_OPENAI_INSIDE_H

#include "callworker/providers/function_calls.h"
#include "callworker/providers/provider.h"
#include "callworker/providers/response_state.h"
#include "callworker/providers/utterances.h"

enum {
	OPENAI_MESSAGE_MAX = 4 * 1024 * 1024,
	OPENAI_TEXT_MAX = 64 * 1024,
	OPENAI_ID_SIZE = 128,
};

struct openai {
	unsigned magic;
	struct ws_loop *loop;
	struct ws *ws;
	const struct provider_events *events;
	void *arg;
	char *prompt, *voice, *transcription_model, *first_message;
	json_t *history, *tools;
	bool ready, preview, in_words; /* in_words: the tools, see openai_tools_in_words */
	/* The caller's voice: being heard by the server; in its buffer, no item yet; at its end. */
	bool speaking, uncommitted, deaf;
	bool leaving; /* written() is due once no text is awaited */
	struct response_turn turn;
	unsigned asked;    /* responses asked for so far: they are numbered */
	unsigned failures; /* of responses, one after the other */
	char session[OPENAI_ID_SIZE];
	char response[OPENAI_ID_SIZE]; /* the present one */
	char stale[OPENAI_ID_SIZE];    /* the one that was interrupted: what comes of it is dropped */
	struct utterances *utterances;
	struct function_calls *calls;
	uint64_t given; /* bytes of audio handed on */
	struct ws_timer ready_timer, turn_timer;
	enum provider_end end;
	char fault[300];
};

/* ---- openai.c ---- */

/* Sends a message; it is stolen. */
void openai_send(struct openai *o, json_t *message);
void openai_update_session(struct openai *o);
/* The session is set up: the conversation begins, or goes on. */
void openai_begin(struct openai *o);
/* Audio of the response; base64 is borrowed. */
void openai_take_audio(struct openai *o, const char *response, const char *item, const char *base64,
		       size_t len, struct mono_us born);
/* Copies an id; false when it is too long, or no plain ASCII: then the message is to be parsed. */
bool openai_copy_id(char out[OPENAI_ID_SIZE], const char *id, size_t len);
/* What the caller is saying becomes an item, if the voice has ended. */
void openai_commit(struct openai *o);
/* A text of the caller's may have been the last that is awaited. */
void openai_look_written(struct openai *o);
void openai_give_up(struct openai *o, enum provider_end end, const char *why);

/* ---- openai_responses.c: see callworker/providers/response_state.h ---- */

void openai_responses_step(struct openai *o, enum response_event event);
/* A response could not be made. */
void openai_responses_fail(struct openai *o, enum response_event event, const char *why);
/* An error whose client event is this ("" when it names none). True: it was about a response. */
bool openai_responses_error(struct openai *o, const char *event, const char *code, const char *message,
			    const char *why);
/* Stops the present one, if there is one. */
void openai_responses_cancel(struct openai *o);
/* The outputs of functions may be complete. */
void openai_responses_look(struct openai *o);

/* ---- openai_events.c ---- */

void openai_take_message(struct openai *o, json_t *message, struct mono_us born);

#endif
