/*
 * How loud the call is just now, for whoever watches it. Levels are mu-law
 * magnitudes (ITU-T G.711), 0 to 127: that scale is the ear's, nearly.
 */
#ifndef PHONY_CALLWORKER_AUDIO_LEVELS_H
#define PHONY_CALLWORKER_AUDIO_LEVELS_H

#include <stddef.h>
#include <stdint.h>

enum { LEVELS_AHEAD = 3000 }; /* blocks of 20 ms: audio may be sent a minute before it is heard */

/* Zero-initialise. */
struct levels {
	uint8_t caller, caller_before; /* of the present tenth of a second, and of that before */
	unsigned caller_bytes;
	uint8_t agent[LEVELS_AHEAD]; /* of the blocks sent, by their number */
	uint64_t agent_bytes;
};

/* mu-law that came, and that was sent. */
void levels_caller(struct levels *l, const uint8_t *mulaw, size_t count);
void levels_agent(struct levels *l, const uint8_t *mulaw, size_t count);

int levels_of_caller(const struct levels *l);
/* Of what is being heard, which is not what is being sent; 0 when nothing is. */
int levels_of_agent(const struct levels *l, int ahead_ms);

#endif
