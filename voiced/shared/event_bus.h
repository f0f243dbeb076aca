/*
 * What happens, told to whoever listens: MCP clients that follow a call, event
 * streams, and questions that wait for the next thing to happen. News are hints;
 * the store is the truth.
 */
#ifndef PHONY_VOICED_SHARED_EVENT_BUS_H
#define PHONY_VOICED_SHARED_EVENT_BUS_H

#include "voiced/voiced.h"

struct news;

struct news *news_new(struct voiced *v);
void news_free(struct news **n);

/*
 * Called for each; the item is borrowed: {kind, callSid?, requestId?, …}. requestId
 * is our own id of the call (PC…), which it has before Twilio names it.
 */
typedef void news_fn(void *arg, json_t *item);
struct listener;
struct listener *news_listen(struct voiced *v, news_fn *fn, void *arg);
void news_unlisten(struct listener **l);

/* Something that another daemon tells; borrowed. */
void news_tell(struct voiced *v, json_t *item);
/* kind "call": its state has changed. */
void news_call(struct voiced *v, const struct call *call);
/* The same of a scheduled call that will not be placed: its document. */
void news_canceled(struct voiced *v, const json_t *document);
/*
 * kind "turn": somebody said this; kind "correction": less of it was heard. A turn
 * is named by the stream's attempt and its number in it; one whose text came late
 * stands before another of the same attempt.
 */
struct news_turn {
	bool corrects;
	int64_t attempt, number;
	int64_t before;   /* 0: after all that was told */
	const char *time; /* when it was said, or corrected */
	const char *role; /* NULL: the assistant */
	const char *content;
};
void news_turn(struct voiced *v, const struct call *call, const struct news_turn *turn);
/* kind "question" or "answered": the agent asks a person. */
void news_question(struct voiced *v, const struct call *call, const char *kind, const json_t *data);
/* One that was changed since. */
void news_voicemail_changed(struct voiced *v, const char *recording_sid);
void news_voicemail(struct voiced *v, const json_t *document);

#endif
