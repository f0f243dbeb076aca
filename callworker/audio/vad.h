/*
 * Whether the person speaks, by the energy of their voice: enough to time a
 * conversation by, not to recognise speech.
 */
#ifndef PHONY_CALLWORKER_AUDIO_VAD_H
#define PHONY_CALLWORKER_AUDIO_VAD_H

#include "lib/base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise. */
struct vad {
	bool speaking;
	int loud_ms, quiet_ms;    /* since it was last otherwise */
	struct mono_us last_loud; /* when speech was last heard */
	unsigned sum_of;          /* samples of a block that is not whole yet */
	uint64_t sum;
};

enum vad_change { VAD_SAME, VAD_BEGAN, VAD_ENDED };

/* mu-law as it came. VAD_ENDED is told some time after the end: last_loud has the time. */
enum vad_change vad_feed(struct vad *v, const uint8_t *mulaw, size_t count);

/* The last samples were speech, of which there were so many ms without a gap. */
bool vad_is_loud(const struct vad *v, int ms);

#endif
