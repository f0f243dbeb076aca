/*
 * How a text travels as SMS (3GPP TS 23.038 and 23.040): in septets of the GSM
 * alphabet when that has every character, else in UTF-16. Pure.
 */
#ifndef PHONY_SMSD_MESSAGES_SEGMENTS_H
#define PHONY_SMSD_MESSAGES_SEGMENTS_H

#include <stddef.h>

struct segments {
	const char *encoding; /* "GSM-7" or "UCS-2" */
	size_t units;         /* septets, or UTF-16 code units */
	size_t count;         /* messages that it is sent in */
};

/* text: UTF-8. Escape pairs, surrogate pairs and grapheme clusters are never split. */
struct segments segments_of(const char *text);

/* UTF-16 code units of a UTF-8 text: what a limit of characters counts. */
size_t segments_characters(const char *text);

#endif
