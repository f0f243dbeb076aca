#include "voiced/frontend/connection_route.h"

#include "lib/http/request_target.h"

#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *prefix;
	enum route_kind kind;
} prefixes[] = {
	{"/call/connection-outgoing/", ROUTE_STREAM},
	{"/call/connection-incoming/", ROUTE_STREAM},
	{"/call/connection-browser/", ROUTE_STREAM},
	{"/sms/", ROUTE_SMSD},
	{"/api/sms/", ROUTE_SMSD},
	{"/api/conversations", ROUTE_SMSD},
	{"/mcp", ROUTE_MCPD},
};

static bool starts_with(const char *bytes, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);
	return len >= n && memcmp(bytes, prefix, n) == 0;
}

/* Whether the path ends where the prefix does, at a slash or at the query. */
static bool path_begins(const char *target, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);
	if (!starts_with(target, len, prefix))
		return false;
	return prefix[n - 1] == '/' || len == n || target[n] == '/' || target[n] == '?';
}

/* A header's value, copied to out: the only one of this name. How many there are. */
static unsigned find_header(const char *bytes, size_t len, const char *name, char *out, size_t size)
{
	const char *end = bytes + len;
	size_t name_len = strlen(name);
	unsigned count = 0;
	while (bytes < end) {
		const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
		if (newline == NULL)
			break;
		size_t line = (size_t)(newline - bytes);
		if (line > name_len && bytes[name_len] == ':' && strncasecmp(bytes, name, name_len) == 0) {
			const char *value = bytes + name_len + 1;
			while (value < newline && (*value == ' ' || *value == '\t'))
				value++;
			size_t n = (size_t)(newline - value);
			while (n > 0 && (value[n - 1] == '\r' || value[n - 1] == ' ' || value[n - 1] == '\t'))
				n--;
			text_copy(out, size, value, n);
			count++;
		}
		bytes = newline + 1;
	}
	return count;
}

static void route_stream(const char *bytes, size_t len, const char *target, size_t target_len,
			 struct route *out)
{
	if (memmem(bytes, len, "\r\n\r\n", 4) == NULL) {
		out->kind = ROUTE_PARTIAL;
		return;
	}
	size_t path_len = target_len;
	const char *query = memchr(target, '?', target_len);
	if (query != NULL)
		path_len = (size_t)(query - target);
	const char *token = memrchr(target, '/', path_len);
	size_t token_len = path_len - (size_t)(token + 1 - target);
	if (target_len >= sizeof out->target || token_len >= sizeof out->token) {
		out->kind = ROUTE_BAD;
		return;
	}
	snprintf(out->token, sizeof out->token, "%.*s", TEXT_SPAN(token + 1, token_len));
	snprintf(out->target, sizeof out->target, "%.*s", TEXT_SPAN(target, target_len));
	char upgrade[32] = "";
	if (find_header(bytes, len, "x-twilio-signature", out->signature, sizeof out->signature) > 1 ||
	    find_header(bytes, len, "upgrade", upgrade, sizeof upgrade) > 1) {
		out->kind = ROUTE_UNCLEAR;
		return;
	}
	/* A plain request to a stream's address gets its answer from the HTTP routes. */
	out->kind = strcasecmp(upgrade, "websocket") == 0 ? ROUTE_STREAM : ROUTE_SELF;
}

void route_request(const char *bytes, size_t len, struct route *out)
{
	memset(out, 0, sizeof *out);
	const char *newline = memchr(bytes, '\n', len);
	const char *space = memchr(bytes, ' ', newline ? (size_t)(newline - bytes) : len);
	if (newline == NULL) {
		/* What can be no method need not be waited for. */
		size_t method = space ? (size_t)(space - bytes) : len;
		bool plausible = method <= 16;
		for (size_t i = 0; plausible && i < method && i < len; i++)
			plausible = bytes[i] >= 'A' && bytes[i] <= 'Z';
		out->kind = plausible ? ROUTE_PARTIAL : ROUTE_BAD;
		return;
	}
	size_t line = (size_t)(newline - bytes);
	const char *target = space ? space + 1 : NULL;
	const char *after = target ? memchr(target, ' ', (size_t)(newline - target)) : NULL;
	out->kind = ROUTE_BAD;
	if (after == NULL || space == bytes || memchr(bytes, '\0', line) != NULL ||
	    !starts_with(after + 1, (size_t)(newline - after - 1), "HTTP/1."))
		return;
	size_t target_len = (size_t)(after - target);
	if (!target_is_plain(target, target_len)) {
		out->kind = ROUTE_UNCLEAR;
		return;
	}
	out->kind = ROUTE_SELF;
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		if (path_begins(target, target_len, prefixes[i].prefix)) {
			out->kind = prefixes[i].kind;
			break;
		}
	if (out->kind == ROUTE_STREAM)
		route_stream(bytes, len, target, target_len, out);
}
