#include "smsd/messages/segments.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unigbrk.h>
#include <unistr.h>

/* 3GPP TS 23.038, 6.2.1: the default alphabet, and what an escape adds to it. */
static const char basic[] = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
			    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
static const char extension[] = "\f^{}\\[~]|€";

/* What fits into one message alone, and into each of several. */
struct room {
	size_t alone, each;
};
static const struct room gsm7 = {160, 153}, ucs2 = {70, 67};

static bool in(const char *alphabet, ucs4_t c)
{
	return u8_strchr((const uint8_t *)alphabet, c) != NULL;
}

/* Counts units and messages of pieces that come one after the other. */
struct filling {
	size_t units, count, used; /* used: of the last message, when there are several */
};

static void add(struct filling *f, size_t units, size_t room)
{
	f->units += units;
	if (f->count == 0 || f->used + units > room) {
		f->count++;
		f->used = 0;
	}
	f->used += units;
}

static struct segments result(const struct filling *f, const struct room *room, const char *encoding)
{
	return (struct segments){encoding, f->units, f->units <= room->alone ? f->units > 0 : f->count};
}

/* False when a character is not in the alphabet. */
static bool fill_gsm7(const uint8_t *text, struct filling *f)
{
	ucs4_t c;
	for (text = u8_next(&c, text); text != NULL; text = u8_next(&c, text)) {
		if (in(basic, c))
			add(f, 1, gsm7.each);
		else if (in(extension, c))
			add(f, 2, gsm7.each);
		else
			return false;
	}
	return true;
}

static size_t utf16_units(const uint8_t *text, size_t len)
{
	size_t units = 0;
	for (size_t i = 0; i < len; i++)
		units += text[i] >= 0xf0 ? 2 : (text[i] & 0xc0) != 0x80;
	return units;
}

struct segments segments_of(const char *text)
{
	const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text), *next;
	struct filling f = {0};
	if (fill_gsm7(at, &f))
		return result(&f, &gsm7, "GSM-7");
	f = (struct filling){0};
	for (; at < end && (next = u8_grapheme_next(at, end)) != NULL; at = next)
		add(&f, utf16_units(at, (size_t)(next - at)), ucs2.each);
	return result(&f, &ucs2, "UCS-2");
}

size_t segments_characters(const char *text)
{
	return utf16_units((const uint8_t *)text, strlen(text));
}
