/* One direction of a call's audio, from one format into another. */
#ifndef PHONY_CALLWORKER_AUDIO_TRANSCODE_H
#define PHONY_CALLWORKER_AUDIO_TRANSCODE_H

#include "callworker/providers/provider.h"

#include <stdbool.h>
#include <stdint.h>

struct lane;

/* NULL when the rates cannot be converted. */
struct lane *lane_new(struct audio_format from, struct audio_format to);
void lane_free(struct lane **l);

/* Whether audio passes untouched: both formats are the same. */
bool lane_is_open(const struct lane *l);

/*
 * Converts base64 of audio; *bytes (valid until the next call) gets what is
 * ready in the other format. An odd byte of a 16-bit sample waits for the next
 * chunk. False: no base64.
 */
bool lane_convert(struct lane *l, const char *base64, size_t len, const uint8_t **bytes, size_t *count);

/* Forgets what is held back. */
void lane_reset(struct lane *l);

#endif
