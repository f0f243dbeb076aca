/*
 * The constructor for text from outside: webhooks, providers, files, error
 * messages of other programs. Such bytes are cleaned once, where they come in;
 * everything behind it may rely on valid UTF-8 without NUL.
 *
 * A byte that is not part of a valid UTF-8 sequence, and a NUL, become U+FFFD
 * (Unicode 15, section 3.9; RFC 3629). Cuts fall on character boundaries.
 * Lengths are in bytes. No function here fails; without memory the process ends.
 */
#ifndef PHONY_BASE_TEXT_H
#define PHONY_BASE_TEXT_H

#include "lib/base/buffer.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether these bytes are valid UTF-8 without NUL. */
bool text_valid(const char *bytes, size_t len);
/* Copies as much as fits into out[size] and terminates it; size > 0. The length written, without the NUL. */
size_t text_copy(char *out, size_t size, const char *bytes, size_t len);
/* The same into memory of its own; the caller frees it. */
char *text_dup(const char *bytes, size_t len);
/* Appends to b, up to its limit. */
void text_append(struct buffer *b, const char *bytes, size_t len);

/* snprintf for text that may come from outside: what does not fit is cut on a character boundary. The length
 * written. */
size_t text_printf(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
size_t text_vprintf(char *out, size_t size, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));

/* The length of the longest prefix of text that has at most max bytes and ends on a character boundary. */
size_t text_cut(const char *text, size_t max);
/* The two arguments of a "%.*s" that shows at most max bytes of text: printf("%.*s", TEXT_CUT(name, 64)). */
#define TEXT_CUT(text, max) (int)text_cut((text), (max)), (text)
/* The two arguments of a "%.*s" for a part whose end was found in the text itself (at an ASCII character). */
#define TEXT_SPAN(text, len) (int)(len), (text)

/* A JSON string of it; NULL is taken for "". */
json_t *json_text(const char *text);
json_t *json_text_n(const char *bytes, size_t len);
json_t *json_text_cut(const char *text, size_t max);
json_t *json_text_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
