/*
 * DTMF as audio, after ITU-T Q.23 (frequencies) and Q.24 (durations): 100 ms
 * on, 100 ms off, the low tone -10 and the high tone -8 dB below a full-scale
 * sine, raised-cosine edges of 5 ms, in mu-law at 8 kHz.
 */
#ifndef PHONY_CALLWORKER_AUDIO_DTMF_H
#define PHONY_CALLWORKER_AUDIO_DTMF_H

#include "lib/base/buffer.h"

#include <stdbool.h>

enum { DTMF_DIGITS_MAX = 100 };

/* Why these are no digits to send, or NULL. 0-9 * # A-D a-d, w and W pause, spaces are skipped. */
const char *dtmf_check(const char *digits);

/*
 * Appends the digits' audio, with 100 ms of silence before the first and after
 * the last; w is 500 ms and W 1000 ms of silence. The digits must have passed
 * dtmf_check.
 */
void dtmf_render(const char *digits, struct buffer *mulaw);

#endif
