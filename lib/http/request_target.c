#include "lib/http/request_target.h"

#include <ctype.h>
#include <string.h>

static int digit(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* The byte that an escape stands for; -1: it is none. */
static int escaped(const char *at, const char *end)
{
	if (end - at < 3 || !isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]))
		return -1;
	return digit(at[1]) << 4 | digit(at[2]);
}

static bool is_dot_segment(const char *segment, const char *end)
{
	const char *slash = memchr(segment, '/', (size_t)(end - segment));
	size_t len = (size_t)((slash ? slash : end) - segment);
	return (len == 1 || len == 2) && segment[0] == '.' && segment[len - 1] == '.';
}

bool target_is_plain(const char *target, size_t len)
{
	const char *query = memchr(target, '?', len);
	const char *end = query ? query : target + len;
	for (const char *at = target; at < end; at++) {
		unsigned char c = (unsigned char)*at;
		if (c <= ' ' || c == 0x7f || c == '\\' || c == '#')
			return false;
		if (c == '/' && at + 1 < end && (at[1] == '/' || is_dot_segment(at + 1, end)))
			return false;
		if (c != '%')
			continue;
		int byte = escaped(at, end);
		if (byte < ' ' || byte == 0x7f || byte == '/' || byte == '\\' || byte == '.' || byte == '%')
			return false;
	}
	return true;
}
