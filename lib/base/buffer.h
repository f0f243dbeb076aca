/* Bytes that grow up to a limit. Zero-initialise, set max, free with buffer_free. */
#ifndef PHONY_BASE_BUFFER_H
#define PHONY_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
	unsigned char *data;
	size_t len; /* bytes in use */
	size_t cap;
	size_t max; /* never more than this; 0: no limit */
};

/* Makes room for `more` further bytes; false when that would exceed max. */
bool buffer_reserve(struct buffer *b, size_t more);
bool buffer_append(struct buffer *b, const void *bytes, size_t len);
bool buffer_append_text(struct buffer *b, const char *text);
/* Drops the first n bytes. */
void buffer_consume(struct buffer *b, size_t n);
void buffer_free(struct buffer *b);

#endif
