/*
 * A caller who says nothing is asked once whether they are still there, then
 * the call ends politely.
 */
#ifndef PHONY_CALLWORKER_CONVERSATION_SILENCE_H
#define PHONY_CALLWORKER_CONVERSATION_SILENCE_H

#include "callworker/net/websocket.h"

struct silence;

struct silence_out {
	/* Whether anybody speaks now, or the silence is meant (a pause). */
	bool (*broken)(void *arg);
	/* The agent is to do this. */
	void (*direct)(void *arg, const char *text);
	/* Nobody is there: the call is to end. */
	void (*give_up)(void *arg);
	void *arg;
};

/* seconds: of each of the three silences; 0: none is minded. */
struct silence *silence_new(struct ws_loop *loop, int seconds, const struct silence_out *out);
void silence_free(struct silence **s);

/* The agent is there: from now on silence counts. */
void silence_watch(struct silence *s);
/* The caller has spoken, or pressed a key. */
void silence_heard(struct silence *s);
void silence_stop(struct silence *s);

#endif
