/*
 * What is still to do for calls that are over: asking what the voice provider
 * charged (ElevenLabs tells it once it has looked at the conversation). Each call's
 * record says when (costAt), so that it outlives us.
 */
#ifndef PHONY_VOICED_CALLS_POST_CALL_H
#define PHONY_VOICED_CALLS_POST_CALL_H

#include "voiced/voiced.h"

struct afterwards;

struct afterwards *afterwards_new(struct voiced *v);
void afterwards_free(struct afterwards **a);

/* A conversation with the provider has begun; id is "" where it has none. */
void afterwards_conversation(struct voiced *v, struct call *call, const char *id);

#endif
