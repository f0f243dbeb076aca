/* A request's target as sent (RFC 9112, 3.2): whether everybody reads the same path in it. */
#ifndef PHONY_HTTP_REQUEST_TARGET_H
#define PHONY_HTTP_REQUEST_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/*
 * False: the path can mean another one to a proxy, which resolves it before it looks where it
 * belongs (RFC 3986, 6.2.2), than to us, who take it as it is: dot segments, doubled slashes,
 * backslashes, any of these encoded, control characters, a broken escape. The query may have all
 * of that.
 */
bool target_is_plain(const char *target, size_t len);

#define TARGET_ADVICE                                                                                   \
	"The path has dot segments, doubled or encoded slashes, or backslashes; send the path itself, " \
	"as /api/calls."

#endif
