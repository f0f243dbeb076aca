/*
 * The utterances of a conversation whose provider names them and speaks ahead
 * of the ear (OpenAI's items): told in the order in which they were made, though
 * their texts come in any order, late or never; and after an interruption cut at
 * what was heard.
 *
 * An item is open until its text is whole or its end is told; every way to an end
 * has a verb here. An open item holds back those after it for three seconds. What
 * becomes known of it later is told with its place. Nothing is dropped that has a
 * text: utterances_finish tells the rest.
 */
#ifndef PHONY_CALLWORKER_PROVIDERS_UTTERANCES_H
#define PHONY_CALLWORKER_PROVIDERS_UTTERANCES_H

#include "callworker/providers/provider.h"

struct utterances;

struct utterances_events {
	/* Each returns a number for the turn; see provider.h. */
	int64_t (*user_said)(void *arg, const char *text, struct turn_place place);
	int64_t (*agent_said)(void *arg, const char *text, struct turn_place place);
	/* An utterance that was told was not heard to its end. */
	void (*agent_corrected)(void *arg, int64_t utterance, const char *text);
	/* So much of the item was heard, and no more. */
	void (*truncated)(void *arg, const char *item, int64_t heard_ms);
};

struct utterances *utterances_new(struct ws_loop *loop, const struct utterances_events *events, void *arg);
void utterances_free(struct utterances **u);

/* The person has spoken; the text follows, or never comes. after: the item before it; "" if that is not
 * known. */
void utterances_user(struct utterances *u, const char *item, const char *after);
/* A part of the text. */
void utterances_user_more(struct utterances *u, const char *item, const char *more);
/* The whole text; "" when there is none beyond the parts: it could not be understood. */
void utterances_user_done(struct utterances *u, const char *item, const char *text);

/* Whether a text of the caller's is on its way. One that is missing for long is not. */
bool utterances_awaited(const struct utterances *u);

/* The agent begins to speak in this response. The verbs below make the item known if it is not. */
void utterances_agent(struct utterances *u, const char *item, const char *response);
/* `from`: bytes of mu-law that the provider gave before these. */
void utterances_agent_audio(struct utterances *u, const char *item, uint64_t from, size_t bytes);
/* Further audio of it, that is dropped since it was interrupted. */
void utterances_agent_dropped(struct utterances *u, const char *item, size_t bytes);
/* Words of the audio; written: or of an answer that has no audio. */
void utterances_agent_more(struct utterances *u, const char *item, const char *more, bool written);
/* The whole text. */
void utterances_agent_done(struct utterances *u, const char *item, const char *text, bool written);
/*
 * The item is over, whatever is known of it. text: its own, "" when it tells none.
 * cut_off: before its end; then words without any audio were never heard.
 */
void utterances_agent_end(struct utterances *u, const char *item, const char *text, bool cut_off);
/* So is every item of the response. */
void utterances_response_end(struct utterances *u, const char *response, bool cut_off);

/* The agent was interrupted: so many of all bytes were heard. */
void utterances_heard(struct utterances *u, uint64_t bytes);

/*
 * Nothing more of the agent's is heard; over: no more texts of the caller's come
 * either. What was said so far is told now, as far as its text is known; what
 * the agent was in the middle of is told as corrected: it was cut off.
 */
void utterances_finish(struct utterances *u, bool over);

#endif
