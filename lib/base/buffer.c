#include "lib/base/buffer.h"

#include "lib/base/panic.h"

#include <stdlib.h>
#include <string.h>

bool buffer_reserve(struct buffer *b, size_t more)
{
	if (b->max != 0 && (more > b->max || b->len > b->max - more))
		return false;
	if (b->cap - b->len >= more)
		return true;
	size_t cap = b->cap ? b->cap : 256;
	while (cap - b->len < more)
		cap *= 2;
	unsigned char *data = realloc(b->data, cap);
	if (data == NULL)
		panic("out of memory for a buffer of %zu bytes", cap);
	b->data = data;
	b->cap = cap;
	return true;
}

bool buffer_append(struct buffer *b, const void *bytes, size_t len)
{
	if (!buffer_reserve(b, len))
		return false;
	if (len > 0)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	return true;
}

bool buffer_append_text(struct buffer *b, const char *text)
{
	return buffer_append(b, text, strlen(text));
}

void buffer_consume(struct buffer *b, size_t n)
{
	if (n > b->len)
		panic("consuming %zu of %zu bytes", n, b->len);
	if (n == 0)
		return; /* there may be no data at all, which memmove does not take */
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}
