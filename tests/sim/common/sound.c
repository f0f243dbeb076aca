#include "tests/sim/common/sound.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* G.711, by segment and interval. */
int16_t ulaw_to_linear(uint8_t code)
{
	code = (uint8_t)~code;
	int magnitude = ((code & 0x0f) << 3) + 0x84;
	magnitude <<= (code & 0x70) >> 4;
	return (int16_t)(code & 0x80 ? 0x84 - magnitude : magnitude - 0x84);
}

uint8_t linear_to_ulaw(int16_t sample)
{
	int value = sample, sign = 0;
	if (value < 0) {
		value = -value;
		sign = 0x80;
	}
	if (value > 32635)
		value = 32635;
	value += 0x84;
	int segment = 7;
	for (int mask = 0x4000; segment > 0 && !(value & mask); mask >>= 1)
		segment--;
	return (uint8_t) ~(sign | segment << 4 | ((value >> (segment + 3)) & 0x0f));
}

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)(p[0] | p[1] << 8 | p[2] << 16) | (uint32_t)p[3] << 24;
}

struct sound sound_load(const char *path)
{
	struct sound s = {0};
	FILE *file = fopen(path, "rb");
	uint8_t header[12], chunk[8], format[40];
	if (file == NULL || fread(header, 1, 12, file) != 12 || memcmp(header, "RIFF", 4) != 0) {
		fprintf(stderr, "simulator: %s is no WAV file\n", path);
		exit(2);
	}
	while (fread(chunk, 1, 8, file) == 8) {
		uint32_t len = le32(chunk + 4);
		if (memcmp(chunk, "fmt ", 4) == 0 && len <= sizeof format &&
		    fread(format, 1, len, file) == len) {
			s.rate_hz = le32(format + 4);
			if (format[2] != 1 || format[14] != 16) {
				fprintf(stderr, "simulator: %s is not mono 16 bit\n", path);
				exit(2);
			}
		} else if (memcmp(chunk, "data", 4) == 0) {
			s.samples = malloc(len + 2);
			s.count = fread(s.samples, 2, len / 2, file);
			break;
		} else {
			fseek(file, (long)(len + (len & 1)), SEEK_CUR);
		}
	}
	fclose(file);
	if (s.samples == NULL || s.rate_hz == 0) {
		fprintf(stderr, "simulator: %s has no sound\n", path);
		exit(2);
	}
	return s;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

bool sound_save_stereo(const char *path, const int16_t *left, const int16_t *right, size_t count,
		       unsigned rate_hz)
{
	FILE *file = fopen(path, "wb");
	uint8_t h[44] = "RIFF....WAVEfmt ....\1\0\2\0........\4\0\20\0data....";
	if (file == NULL)
		return false;
	put32(h + 4, (uint32_t)(36 + count * 4));
	put32(h + 16, 16);
	put32(h + 24, rate_hz);
	put32(h + 28, rate_hz * 4);
	put32(h + 40, (uint32_t)(count * 4));
	fwrite(h, 1, 44, file);
	for (size_t i = 0; i < count; i++) {
		int16_t pair[2] = {left[i], right[i]};
		fwrite(pair, 2, 2, file);
	}
	return fclose(file) == 0;
}

void voice_feed(struct voice *v, const int16_t *samples, size_t count, unsigned rate_hz)
{
	enum { START_MS = 60, END_MS = 600, LOUD = 300 };
	if (count == 0)
		return;
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += (double)samples[i] * samples[i];
	int ms = (int)(count * 1000 / rate_hz);
	if (sqrt(sum / (double)count) > LOUD) {
		v->loud_ms += ms;
		v->quiet_ms = 0;
		if (!v->speaking && v->loud_ms >= START_MS) {
			v->speaking = true;
			v->spoken_ms = 0;
		}
	} else {
		v->quiet_ms += ms;
		v->loud_ms = 0;
		if (v->speaking && v->quiet_ms >= (v->end_after_ms ? v->end_after_ms : END_MS)) {
			v->speaking = false;
			v->ended = true;
		}
	}
	if (v->speaking)
		v->spoken_ms += ms;
}

static const double tones[8] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};

static double goertzel(const int16_t *x, size_t n, double hz)
{
	double c = 2 * cos(2 * M_PI * hz / 8000), a = 0, b = 0;
	for (size_t i = 0; i < n; i++) {
		double t = x[i] + c * a - b;
		b = a;
		a = t;
	}
	return a * a + b * b - c * a * b;
}

static int key_of(const int16_t *x, size_t n)
{
	double power[8], total = 0;
	for (size_t i = 0; i < n; i++)
		total += (double)x[i] * x[i];
	if (total / (double)n < 200000) /* about -36 dB below full scale */
		return -1;
	for (int i = 0; i < 8; i++)
		power[i] = goertzel(x, n, tones[i]);
	int low = 0, high = 4;
	for (int i = 1; i < 4; i++) {
		low = power[i] > power[low] ? i : low;
		high = power[4 + i] > power[high] ? 4 + i : high;
	}
	/* A pure sine of this energy would have n/2 of it in one bin. */
	if ((power[low] + power[high]) / (total * (double)n / 2) < 0.7 || power[low] > 8 * power[high] ||
	    power[high] > 8 * power[low])
		return -1;
	return low * 4 + high - 4;
}

void dtmf_ear_feed(struct dtmf_ear *e, const int16_t *samples, size_t count)
{
	static const char keys[] = "123A456B789C*0#D";
	for (size_t i = 0; i < count; i++) {
		e->block[e->filled++] = samples[i];
		if (e->filled < 80)
			continue;
		e->filled = 0;
		int key = key_of(e->block, 80);
		if (key >= 0 && key == e->current) {
			e->gap = 0;
			if (++e->run >= 4 && !e->taken && e->count < sizeof e->digits - 1) {
				e->taken = true;
				e->digits[e->count++] = keys[key];
			}
		} else if (key >= 0) {
			e->current = key;
			e->run = 1;
			e->taken = false;
			e->gap = 0;
		} else if (++e->gap >= 3) {
			e->current = -1;
			e->run = 0;
			e->taken = false;
		}
	}
}
