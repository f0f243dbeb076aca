/* RFC 4648 base64 with padding, by table: it stands on the audio path. */
#ifndef PHONY_BASE_BASE64_H
#define PHONY_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Characters that len bytes become, without a terminator. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Writes BASE64_LEN(len) characters to out, no terminator; returns their number. */
size_t base64_encode(const void *bytes, size_t len, char *out);

/*
 * Decodes len characters; out needs room for len / 4 * 3 bytes. Returns the
 * number of bytes, or -1 when the text is no padded base64.
 */
ssize_t base64_decode(const char *text, size_t len, void *out);

/* Bytes that a padded base64 text of this length stands for, or -1; checks no characters. */
ssize_t base64_decoded_len(const char *text, size_t len);
/* Whether base64_decode would take it: then it can stand in a JSON text as it is. */
bool base64_valid(const char *text, size_t len);

#endif
