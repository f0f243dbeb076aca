#include "callworker/conversation/hold.h"

#include "callworker/audio/mulaw.h"
#include "lib/base/object.h"

#include <math.h>
#include <stdlib.h>

#define HOLD_MAGIC 0x686f6c64u

enum {
	AHEAD_MS = 400,
	STEP_MS = 200,
	STEP_BYTES = STEP_MS * MULAW_BYTES_PER_MS,
	NOTE_MS = 400,
	NOTE_BYTES = NOTE_MS * MULAW_BYTES_PER_MS,
};

/* A broken chord up and down, and one low note with a long rest; 0 is a rest. */
static const double music_hz[] = {523.25, 659.25, 783.99, 1046.5, 783.99, 659.25, 0, 0};
static const double filler_hz[] = {440, 0, 0, 0};

struct hold {
	unsigned magic;
	struct ws_loop *loop;
	struct playout *playout;
	bool playing, heard; /* heard: some of it was sent */
	const double *notes;
	size_t count, at; /* notes; bytes played */
	struct ws_timer timer;
};

struct hold *hold_new(struct ws_loop *loop, struct playout *playout)
{
	struct hold *h;
	OBJ_ALLOC(h, HOLD_MAGIC);
	h->loop = loop;
	h->playout = playout;
	return h;
}

void hold_free(struct hold **hh)
{
	struct hold *h = *hh;
	if (h == NULL)
		return;
	OBJ_CHECK(h, HOLD_MAGIC);
	ws_timer_stop(h->loop, &h->timer);
	OBJ_FREE(h);
	*hh = NULL;
}

/* A note that is struck and fades: 20 dB below full scale at first. */
static int16_t sample_at(const struct hold *h, size_t at)
{
	double hz = h->notes[at / NOTE_BYTES % h->count];
	double s = (double)(at % NOTE_BYTES) / MULAW_RATE_HZ;
	double edge = s < 0.01 ? s / 0.01 : 1;
	double end = NOTE_MS / 1000.0 - s;
	double fade = exp(-4 * s) * (end < 0.02 ? end / 0.02 : 1);
	return hz > 0 ? (int16_t)(3277 * edge * fade * sin(2 * M_PI * hz * s)) : 0;
}

static void step(void *arg)
{
	struct hold *h = arg;
	int16_t samples[STEP_BYTES];
	uint8_t bytes[STEP_BYTES];
	while (playout_ahead_ms(h->playout) < AHEAD_MS) {
		for (size_t i = 0; i < STEP_BYTES; i++)
			samples[i] = sample_at(h, h->at + i);
		h->at += STEP_BYTES;
		mulaw_encode(samples, STEP_BYTES, bytes);
		uint64_t before = playout_sent(h->playout);
		playout_aside(h->playout, bytes, STEP_BYTES);
		if (playout_sent(h->playout) == before)
			break; /* digits are being played */
		h->heard = true;
	}
	ws_timer_start(h->loop, &h->timer, STEP_MS, step, h);
}

void hold_play(struct hold *h, enum hold_sound sound)
{
	OBJ_CHECK(h, HOLD_MAGIC);
	h->notes = sound == HOLD_MUSIC ? music_hz : filler_hz;
	h->count = sound == HOLD_MUSIC ? sizeof music_hz / sizeof *music_hz
				       : sizeof filler_hz / sizeof *filler_hz;
	h->at = 0;
	h->playing = true;
	h->heard = false;
	step(h);
}

void hold_stop(struct hold *h)
{
	OBJ_CHECK(h, HOLD_MAGIC);
	if (!h->playing)
		return;
	h->playing = false;
	ws_timer_stop(h->loop, &h->timer);
	if (h->heard)
		playout_clear(h->playout);
}
