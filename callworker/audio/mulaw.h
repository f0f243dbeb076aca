/* G.711 mu-law, both ways by table. Linear samples are 16 bit, native order. */
#ifndef PHONY_CALLWORKER_AUDIO_MULAW_H
#define PHONY_CALLWORKER_AUDIO_MULAW_H

#include <stddef.h>
#include <stdint.h>

enum { MULAW_RATE_HZ = 8000, MULAW_BYTES_PER_MS = 8, MULAW_SILENCE = 0xff };

void mulaw_decode(const uint8_t *codes, size_t count, int16_t *samples);
void mulaw_encode(const int16_t *samples, size_t count, uint8_t *codes);

#endif
