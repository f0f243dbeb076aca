/*
 * Sign and magnitude are coded apart, as in G.711: 13 bits of magnitude, bias
 * 33, eight segments; the same for both signs. The decoder's table is computed by
 * the compiler and shared by all workers' pages.
 */
#include "callworker/audio/mulaw.h"

#define BIAS 33
#define BIASED_MAX 8191

/* clang-format off */
#define MAGNITUDE(inv) ((((((inv)&15) << 3) + 132) << ((inv) >> 4 & 7)) - 132)
#define D1(c) (int16_t)((~(c)&0x80) ? -MAGNITUDE(~(c)&0x7f) : MAGNITUDE(~(c)&0x7f)),
#define D8(c) D1(c) D1(c + 1) D1(c + 2) D1(c + 3) D1(c + 4) D1(c + 5) D1(c + 6) D1(c + 7)
#define D64(c) D8(c) D8(c + 8) D8(c + 16) D8(c + 24) D8(c + 32) D8(c + 40) D8(c + 48) D8(c + 56)

static const int16_t sample_of_code[256] = {D64(0) D64(64) D64(128) D64(192)};
/* clang-format on */

void mulaw_decode(const uint8_t *codes, size_t count, int16_t *samples)
{
	for (size_t i = 0; i < count; i++)
		samples[i] = sample_of_code[codes[i]];
}

/* The code of a negative sample. */
static unsigned code_of_magnitude(unsigned magnitude)
{
	unsigned biased = magnitude + BIAS > BIASED_MAX ? BIASED_MAX : magnitude + BIAS;
	unsigned segment = 27 - (unsigned)__builtin_clz(biased); /* 1 (33 to 63) to 8 (4096 to 8191) */
	return (8 - segment) << 4 | (15 - (biased >> segment & 15));
}

void mulaw_encode(const int16_t *samples, size_t count, uint8_t *codes)
{
	for (size_t i = 0; i < count; i++) {
		int sample = samples[i];
		unsigned magnitude = (unsigned)(sample < 0 ? -sample : sample) >> 2;
		codes[i] = (uint8_t)(code_of_magnitude(magnitude) | (sample < 0 ? 0 : 0x80));
	}
}
