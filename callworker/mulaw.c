/*
 * The tables are computed by the compiler and shared by all workers' pages.
 * Sign and magnitude are coded apart, as in G.711: 13 bits of magnitude, bias
 * 33, eight segments; the same for both signs.
 */
#include "callworker/mulaw.h"

/* clang-format off */
/* The segment (1 to 8) of a biased 13-bit magnitude, 33 to 8191. */
#define SEGMENT(b)                                                                                 \
	((b) >= 4096  ? 8                                                                          \
	 : (b) >= 2048 ? 7                                                                         \
	 : (b) >= 1024 ? 6                                                                         \
	 : (b) >= 512  ? 5                                                                         \
	 : (b) >= 256  ? 4                                                                         \
	 : (b) >= 128  ? 3                                                                         \
	 : (b) >= 64   ? 2                                                                         \
		       : 1)
#define BIASED(m) ((m) + 33 > 8191 ? 8191 : (m) + 33)
#define CODE(b) ((8 - SEGMENT(b)) << 4 | (15 - ((b) >> SEGMENT(b) & 15)))
#define E1(m) (uint8_t) CODE(BIASED(m)),
#define E8(m) E1(m) E1(m + 1) E1(m + 2) E1(m + 3) E1(m + 4) E1(m + 5) E1(m + 6) E1(m + 7)
#define E64(m) E8(m) E8(m + 8) E8(m + 16) E8(m + 24) E8(m + 32) E8(m + 40) E8(m + 48) E8(m + 56)
#define E512(m)                                                                                    \
	E64(m) E64(m + 64) E64(m + 128) E64(m + 192) E64(m + 256) E64(m + 320) E64(m + 384) E64(m + 448)
#define E4096(m)                                                                                   \
	E512(m) E512(m + 512) E512(m + 1024) E512(m + 1536) E512(m + 2048) E512(m + 2560)          \
		E512(m + 3072) E512(m + 3584)

/* From a 13-bit magnitude to the code of a negative sample. */
static const uint8_t code_of_magnitude[8192] = {E4096(0) E4096(4096)};

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

void mulaw_encode(const int16_t *samples, size_t count, uint8_t *codes)
{
	for (size_t i = 0; i < count; i++) {
		int sample = samples[i];
		unsigned magnitude = (unsigned)(sample < 0 ? -sample : sample) >> 2;
		codes[i] = (uint8_t)(code_of_magnitude[magnitude < 8192 ? magnitude : 8191] |
				     (sample < 0 ? 0 : 0x80));
	}
}
