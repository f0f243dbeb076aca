/*
 * Sound of our own for the caller: music while they are on hold, a quiet tone
 * while the agent's connection is being made anew. It is kept a little ahead of
 * the ear, so that the agent's voice can follow it at once.
 */
#ifndef PHONY_CALLWORKER_CONVERSATION_HOLD_H
#define PHONY_CALLWORKER_CONVERSATION_HOLD_H

#include "callworker/audio/playout.h"

struct hold;

enum hold_sound { HOLD_MUSIC, HOLD_FILLER };

struct hold *hold_new(struct ws_loop *loop, struct playout *playout);
void hold_free(struct hold **h);

/* Plays, behind what is buffered, until hold_stop, over and over. */
void hold_play(struct hold *h, enum hold_sound sound);
/* Ends at once: once some of it was sent, what is buffered is dropped. */
void hold_stop(struct hold *h);

#endif
