#include "lib/base/text.h"

#include "lib/base/panic.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
enum { REPLACEMENT_LEN = sizeof replacement - 1 };

bool text_valid(const char *bytes, size_t len)
{
	return len == 0 ||
	       (memchr(bytes, '\0', len) == NULL && u8_check((const uint8_t *)bytes, len) == NULL);
}

/* The first character of bytes[len], len > 0, as it is copied: `out` points to its bytes; how many were read.
 */
static size_t text_next(const char *bytes, size_t len, const char **out, size_t *out_len)
{
	ucs4_t character;
	int used = u8_mbtoucr(&character, (const uint8_t *)bytes, len);
	if (used > 0 && character != 0) {
		*out = bytes;
		*out_len = (size_t)used;
		return (size_t)used;
	}
	*out = replacement;
	*out_len = REPLACEMENT_LEN;
	return 1;
}

size_t text_copy(char *out, size_t size, const char *bytes, size_t len)
{
	size_t at = 0;
	while (len > 0) {
		const char *character;
		size_t character_len, used = text_next(bytes, len, &character, &character_len);
		if (at + character_len >= size)
			break;
		memcpy(out + at, character, character_len);
		at += character_len;
		bytes += used;
		len -= used;
	}
	out[at] = '\0';
	return at;
}

void text_append(struct buffer *b, const char *bytes, size_t len)
{
	if (text_valid(bytes, len)) {
		buffer_append(b, bytes, len);
		return;
	}
	while (len > 0) {
		const char *character;
		size_t character_len, used = text_next(bytes, len, &character, &character_len);
		if (!buffer_append(b, character, character_len))
			return;
		bytes += used;
		len -= used;
	}
}

char *text_dup(const char *bytes, size_t len)
{
	struct buffer b = {0};
	text_append(&b, bytes, len);
	if (!buffer_append(&b, "", 1))
		panic("out of memory for a text");
	return (char *)b.data;
}

size_t text_cut(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	if (len < max || text[len] == '\0')
		return len;
	/* Back to the first byte of the character that the limit divides. */
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

size_t text_vprintf(char *out, size_t size, const char *fmt, va_list args)
{
	int len = vsnprintf(out, size, fmt, args);
	if (len < 0) {
		out[0] = '\0';
		return 0;
	}
	if ((size_t)len < size)
		return (size_t)len;
	/* Back over the character that the end of the buffer divided, if it did. */
	size_t end = size - 1, start = end;
	while (start > 0 && ((unsigned char)out[start - 1] & 0xc0) == 0x80)
		start--;
	if (start > 0 && (unsigned char)out[start - 1] >= 0xc0 &&
	    u8_mblen((const uint8_t *)out + start - 1, end - (start - 1)) < 0)
		end = start - 1;
	out[end] = '\0';
	return end;
}

size_t text_printf(char *out, size_t size, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	size_t len = text_vprintf(out, size, fmt, args);
	va_end(args);
	return len;
}

json_t *json_text_n(const char *bytes, size_t len)
{
	if (text_valid(bytes, len)) {
		json_t *text = json_stringn_nocheck(bytes, len);
		if (text == NULL)
			panic("out of memory for a JSON string");
		return text;
	}
	char *clean = text_dup(bytes, len);
	json_t *text = json_string_nocheck(clean);
	free(clean);
	if (text == NULL)
		panic("out of memory for a JSON string");
	return text;
}

json_t *json_text(const char *text)
{
	return text ? json_text_n(text, strlen(text)) : json_text_n("", 0);
}

json_t *json_text_cut(const char *text, size_t max)
{
	return json_text_n(text, text_cut(text, max));
}

json_t *json_text_printf(const char *fmt, ...)
{
	char *text;
	va_list args;
	va_start(args, fmt);
	int len = vasprintf(&text, fmt, args);
	va_end(args);
	if (len < 0)
		panic("out of memory for a text");
	json_t *value = json_text_n(text, (size_t)len);
	free(text);
	return value;
}
