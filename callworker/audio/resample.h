/*
 * One direction of a call's audio from one rate to another, with state kept
 * from chunk to chunk. libsoxr, tuned for little delay: see resample.c.
 */
#ifndef PHONY_CALLWORKER_AUDIO_RESAMPLE_H
#define PHONY_CALLWORKER_AUDIO_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

struct resampler;

/* NULL when the rates (Hz) cannot be converted. Equal rates copy. */
struct resampler *resampler_new(unsigned in_hz, unsigned out_hz);
void resampler_free(struct resampler **r);

/* Most samples that `count` further input samples can bring out. */
size_t resampler_out_max(const struct resampler *r, size_t count);

/*
 * Takes all `count` samples, writes what is ready to out (room for
 * resampler_out_max) and returns the number written.
 */
size_t resampler_run(struct resampler *r, const int16_t *in, size_t count, int16_t *out);

/* Forgets what is held back: what comes next follows nothing. */
void resampler_reset(struct resampler *r);

#endif
