/*
 * Frames that measure: 160 bytes of "mu-law" with a number and times in them,
 * for calls in which nobody converts the audio. Where they are to be told from
 * sound, the first four bytes say so.
 */
#ifndef SIM_STAMP_H
#define SIM_STAMP_H

#include <stdint.h>
#include <string.h>

enum { STAMP_BYTES = 160 };

struct stamp {
	char magic[4]; /* "STMP" */
	uint32_t number;
	int64_t carrier_us; /* when the carrier sent it */
	int64_t agent_us;   /* when the agent sent it back */
};

static inline int stamp_read(const uint8_t *bytes, long len, struct stamp *s)
{
	if (len != STAMP_BYTES || memcmp(bytes, "STMP", 4) != 0)
		return 0;
	memcpy(s, bytes, sizeof *s);
	return 1;
}

static inline void stamp_write(uint8_t *bytes, const struct stamp *s)
{
	memset(bytes, 0xff, STAMP_BYTES);
	memcpy(bytes, s, sizeof *s);
}

#endif
