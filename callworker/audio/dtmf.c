#include "callworker/audio/dtmf.h"

#include "callworker/audio/mulaw.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum {
	ON_MS = 100,
	OFF_MS = 100,
	EDGE_MS = 5,
	SHORT_PAUSE_MS = 500,
	LONG_PAUSE_MS = 1000,
	ON_SAMPLES = ON_MS * MULAW_BYTES_PER_MS,
	EDGE_SAMPLES = EDGE_MS * MULAW_BYTES_PER_MS,
};

static const double low_hz[] = {697, 770, 852, 941};
static const double high_hz[] = {1209, 1336, 1477, 1633};
static const char keypad[] = "123A456B789C*0#D";

const char *dtmf_check(const char *digits)
{
	size_t keys = 0;
	for (const char *c = digits; *c != '\0'; c++) {
		if (strchr("0123456789*#ABCDabcdwW ", *c) == NULL)
			return "Invalid DTMF digits. Allowed: 0-9, *, #, A-D, w (0.5s pause), W (1s pause)";
		keys += *c != ' ';
	}
	if (keys == 0)
		return "No digits provided";
	return keys > DTMF_DIGITS_MAX ? "At most 100 digits can be sent at once" : NULL;
}

static void append_silence(struct buffer *mulaw, size_t ms)
{
	size_t count = ms * MULAW_BYTES_PER_MS;
	buffer_reserve(mulaw, count);
	memset(mulaw->data + mulaw->len, MULAW_SILENCE, count);
	mulaw->len += count;
}

static void append_tone(struct buffer *mulaw, size_t key)
{
	const double low = 32767 * pow(10, -10 / 20.0), high = 32767 * pow(10, -8 / 20.0);
	const double low_step = 2 * M_PI * low_hz[key / 4] / MULAW_RATE_HZ;
	const double high_step = 2 * M_PI * high_hz[key % 4] / MULAW_RATE_HZ;
	int16_t samples[ON_SAMPLES];
	for (int i = 0; i < ON_SAMPLES; i++) {
		int from_edge = i < ON_SAMPLES - 1 - i ? i : ON_SAMPLES - 1 - i;
		double gain =
			from_edge >= EDGE_SAMPLES ? 1 : 0.5 - 0.5 * cos(M_PI * from_edge / EDGE_SAMPLES);
		samples[i] = (int16_t)lrint(gain * (low * sin(low_step * i) + high * sin(high_step * i)));
	}
	buffer_reserve(mulaw, ON_SAMPLES);
	mulaw_encode(samples, ON_SAMPLES, mulaw->data + mulaw->len);
	mulaw->len += ON_SAMPLES;
}

void dtmf_render(const char *digits, struct buffer *mulaw)
{
	append_silence(mulaw, OFF_MS);
	for (; *digits != '\0'; digits++) {
		if (*digits == ' ')
			continue;
		if (*digits == 'w' || *digits == 'W') {
			append_silence(mulaw, *digits == 'w' ? SHORT_PAUSE_MS : LONG_PAUSE_MS);
			continue;
		}
		const char *key = strchr(keypad, toupper((unsigned char)*digits));
		append_tone(mulaw, (size_t)(key - keypad));
		append_silence(mulaw, OFF_MS);
	}
}
