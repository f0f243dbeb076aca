/*
 * The call as a stereo WAV file (caller left, agent right, 16 bit, 8 kHz),
 * written as it goes on: playable at any moment, also after a crash. What the
 * agent said and was not heard, because the caller interrupted, is not in it.
 */
#ifndef PHONY_CALLWORKER_AUDIO_RECORDER_H
#define PHONY_CALLWORKER_AUDIO_RECORDER_H

#include <stddef.h>
#include <stdint.h>

struct recorder;

/* Takes over fd, a file that may hold earlier streams of the call; this one begins at from_ms. */
struct recorder *recorder_new(int fd, int64_t from_ms);
/* Nothing more is recorded: what is left is written while the call goes on. */
void recorder_end(struct recorder *r);
/* Ends it, and waits for a disk that works; one that hangs is left behind. Not for the loop: it blocks. */
void recorder_free(struct recorder **r);

/* Mu-law of the caller; ms: the stream's timestamp. */
void recorder_caller(struct recorder *r, const uint8_t *mulaw, size_t count, int64_t ms);
/* Mu-law for the caller's ear, behind what was sent before. */
void recorder_agent(struct recorder *r, const uint8_t *mulaw, size_t count);
/* What was sent and not yet heard was dropped. */
void recorder_cleared(struct recorder *r);

#endif
