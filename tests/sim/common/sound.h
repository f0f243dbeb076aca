/*
 * Sound as the simulators need it, written apart from phony's own code: G.711
 * by the textbook, WAV files, whether somebody speaks, DTMF by Goertzel.
 */
#ifndef SIM_SOUND_H
#define SIM_SOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int16_t ulaw_to_linear(uint8_t code);
uint8_t linear_to_ulaw(int16_t sample);

struct sound {
	int16_t *samples;
	size_t count;
	unsigned rate_hz;
};
/* A 16-bit mono PCM WAV file, or the end of the program. */
struct sound sound_load(const char *path);
/* 16-bit stereo; false with errno. */
bool sound_save_stereo(const char *path, const int16_t *left, const int16_t *right, size_t count,
		       unsigned rate_hz);

/* Speech and its end, by energy: feed 20 ms at a time. */
struct voice {
	int loud_ms, quiet_ms; /* since it last was otherwise */
	bool speaking;
	bool ended;       /* set when speech has ended; the reader clears it */
	int spoken_ms;    /* of the present or last utterance */
	int end_after_ms; /* of silence; 0: 600 */
};
void voice_feed(struct voice *v, const int16_t *samples, size_t count, unsigned rate_hz);

/* DTMF at 8 kHz: digits are appended as they end; 10 ms blocks. */
struct dtmf_ear {
	double energy[8];
	int16_t block[80];
	size_t filled;
	int current, run; /* key index or -1; blocks it was seen */
	bool taken;
	int gap;
	char digits[256];
	size_t count;
};
void dtmf_ear_feed(struct dtmf_ear *e, const int16_t *samples, size_t count);

#endif
