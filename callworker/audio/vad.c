#include "callworker/audio/vad.h"

#include "callworker/audio/mulaw.h"

enum {
	BLOCK = 10 * MULAW_BYTES_PER_MS,
	BLOCK_MS = 10,
	BEGIN_MS = 60, /* a click is no word */
	END_MS = 300,  /* nor is a breath an end */
	LEVEL = 320,   /* RMS of 16-bit samples: 40 dB below full scale */
};

static void block(struct vad *v, enum vad_change *change)
{
	bool loud = v->sum >= (uint64_t)LEVEL * LEVEL * BLOCK;
	v->sum = 0;
	v->sum_of = 0;
	if (loud) {
		v->loud_ms += BLOCK_MS;
		v->quiet_ms = 0;
		if (v->speaking || v->loud_ms >= BEGIN_MS)
			v->last_loud = mono_now();
		if (!v->speaking && v->loud_ms >= BEGIN_MS) {
			v->speaking = true;
			*change = VAD_BEGAN;
		}
	} else {
		v->quiet_ms += BLOCK_MS;
		if (v->quiet_ms > 3 * BLOCK_MS)
			v->loud_ms = 0; /* words have short gaps */
		if (v->speaking && v->quiet_ms >= END_MS) {
			v->speaking = false;
			*change = VAD_ENDED;
		}
	}
}

enum vad_change vad_feed(struct vad *v, const uint8_t *mulaw, size_t count)
{
	enum vad_change change = VAD_SAME;
	int16_t samples[BLOCK];
	while (count > 0) {
		size_t part = BLOCK - v->sum_of < count ? BLOCK - v->sum_of : count;
		mulaw_decode(mulaw, part, samples);
		for (size_t i = 0; i < part; i++)
			v->sum += (uint64_t)((int32_t)samples[i] * samples[i]);
		v->sum_of += (unsigned)part;
		if (v->sum_of == BLOCK)
			block(v, &change);
		mulaw += part;
		count -= part;
	}
	return change;
}

bool vad_is_loud(const struct vad *v, int ms)
{
	return v->speaking && v->quiet_ms == 0 && v->loud_ms >= ms;
}
