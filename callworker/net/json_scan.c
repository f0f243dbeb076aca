#include "callworker/net/json_scan.h"

#include <string.h>

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

/* The first byte of the value of the first member with this name, or NULL. */
static const char *find_value(const char *json, size_t len, const char *key)
{
	size_t key_len = strlen(key);
	const char *end = json + len, *at = json;
	while ((at = memmem(at, (size_t)(end - at), key, key_len)) != NULL) {
		const char *after = at + key_len;
		if (at > json && at[-1] == '"' && (at - 1 == json || at[-2] != '\\') && after < end &&
		    *after == '"') {
			after = skip_space(after + 1, end);
			if (after < end && *after == ':') {
				after = skip_space(after + 1, end);
				return after < end ? after : NULL;
			}
		}
		at += key_len;
	}
	return NULL;
}

bool json_scan_text(const char *json, size_t len, const char *key, const char **value, size_t *value_len)
{
	const char *at = find_value(json, len, key);
	if (at == NULL || *at != '"')
		return false;
	at++;
	const char *quote = memchr(at, '"', (size_t)(json + len - at));
	if (quote == NULL || memchr(at, '\\', (size_t)(quote - at)) != NULL)
		return false;
	*value = at;
	*value_len = (size_t)(quote - at);
	return true;
}

bool json_scan_is(const char *json, size_t len, const char *key, const char *text)
{
	const char *value;
	size_t value_len;
	return json_scan_text(json, len, key, &value, &value_len) && value_len == strlen(text) &&
	       memcmp(value, text, value_len) == 0;
}

bool json_scan_int(const char *json, size_t len, const char *key, int64_t *value)
{
	const char *at = find_value(json, len, key), *end = json + len;
	if (at == NULL)
		return false;
	int64_t number = 0;
	int digits = 0;
	for (; at < end && *at >= '0' && *at <= '9' && digits < 18; at++, digits++)
		number = number * 10 + (*at - '0');
	if (digits == 0 || (at < end && strchr(",}] \t\r\n", *at) == NULL))
		return false;
	*value = number;
	return true;
}
