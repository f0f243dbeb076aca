/*
 * The utterances of a conversation whose provider names them and speaks ahead
 * of the ear (OpenAI's items): told in the order in which they were made, though
 * their texts come in any; and after an interruption cut at what was heard.
 */
#ifndef PHONY_UTTERANCES_H
#define PHONY_UTTERANCES_H

#include "callworker/ws.h"

struct utterances;

struct utterances_events {
	void (*user_said)(void *arg, const char *text);
	/* Returns a number for it, for agent_corrected. */
	int64_t (*agent_said)(void *arg, const char *text);
	/* An utterance that was told already was not heard to its end. */
	void (*agent_corrected)(void *arg, int64_t utterance, const char *text);
	/* So much of the item was heard, and no more. */
	void (*truncated)(void *arg, const char *item, int64_t heard_ms);
};

struct utterances *utterances_new(struct ws_loop *loop, const struct utterances_events *events, void *arg);
void utterances_free(struct utterances **u);

/* The person has spoken; the text follows, or never comes. */
void utterances_user(struct utterances *u, const char *item);
/* "" when it could not be understood. */
void utterances_user_text(struct utterances *u, const char *item, const char *text);

/* The agent begins to speak. Each of these makes the item known if it is not. */
void utterances_agent(struct utterances *u, const char *item);
/* `from`: bytes of mu-law that the provider gave before these. */
void utterances_agent_audio(struct utterances *u, const char *item, uint64_t from, size_t bytes);
void utterances_agent_text(struct utterances *u, const char *item, const char *more);
void utterances_agent_done(struct utterances *u, const char *item, const char *text);

/* The agent was interrupted: so many of all bytes were heard. */
void utterances_heard(struct utterances *u, uint64_t bytes);

/* The conversation is lost: what was said so far is told, as far as its text is known. */
void utterances_finish(struct utterances *u);

#endif
