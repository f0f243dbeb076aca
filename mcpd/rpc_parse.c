#include "mcpd/rpc_parse.h"

#include "lib/base/text.h"

#include <stdlib.h>
#include <string.h>

#define BOM "\xef\xbb\xbf"

enum { ESCAPE_LEN = 6 }; /* \uXXXX */

static const char key[] = "\"id\"", blank[] = " \t\r\n";

/* The UTF-16 unit of an escape at this place; -1: there is none. */
static long escaped_unit(const char *at)
{
	char digits[5];
	if (at[0] != '\\' || at[1] != 'u' || strspn(at + 2, "0123456789abcdefABCDEF") < 4)
		return -1;
	memcpy(digits, at + 2, 4);
	digits[4] = '\0';
	return strtol(digits, NULL, 16);
}

static bool is_high(long unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(long unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* Replaces escapes that stand for no character by that of U+FFFD, which is as long. */
static void mend_escapes(char *text)
{
	char *at = text;
	while ((at = strchr(at, '\\')) != NULL) {
		long unit = escaped_unit(at);
		if (unit < 0) {
			at += at[1] != '\0' ? 2 : 1;
		} else if (is_high(unit) && is_low(escaped_unit(at + ESCAPE_LEN))) {
			at += 2 * ESCAPE_LEN;
		} else {
			if (unit == 0 || is_high(unit) || is_low(unit))
				memcpy(at + 2, "fffd", 4);
			at += ESCAPE_LEN;
		}
	}
}

/* Past the end of the string that begins at this quote. */
static const char *skip_string(const char *at)
{
	for (at++; *at != '\0' && *at != '"'; at++)
		if (*at == '\\' && at[1] != '\0')
			at++;
	return *at == '"' ? at + 1 : at;
}

/* An id whose value begins here, and the length of its text. */
static json_t *read_id(const char *at, size_t *len)
{
	json_error_t error;
	json_t *id = json_loads(at, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &error);
	*len = (size_t)error.position;
	if (json_is_string(id) || json_is_number(id))
		return id;
	json_decref(id);
	return NULL;
}

/* The member "id" of the outermost object in a text that is not JSON. */
static json_t *find_id(const char *at)
{
	size_t len;
	int depth = 0;
	while (*at != '\0') {
		if (*at == '"') {
			const char *end = skip_string(at), *colon = end + strspn(end, blank);
			if (depth == 1 && strncmp(at, key, sizeof key - 1) == 0 && *colon == ':')
				return read_id(colon + 1, &len);
			at = end;
			continue;
		}
		depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
		at++;
	}
	return NULL;
}

/* The same where it is the last member. */
static json_t *find_last_id(const char *text)
{
	const char *at, *last = NULL;
	size_t len;
	for (at = text; (at = strstr(at, key)) != NULL; at += sizeof key - 1)
		last = at;
	if (last == NULL)
		return NULL;
	last += sizeof key - 1;
	last += strspn(last, blank);
	if (*last != ':')
		return NULL;
	json_t *id = read_id(last + 1, &len);
	const char *rest = last + 1 + len;
	rest += strspn(rest, blank);
	if (id != NULL && rest[0] == '}' && rest[1 + strspn(rest + 1, blank)] == '\0')
		return id;
	json_decref(id);
	return NULL;
}

json_t *rpc_find_id(const char *head, size_t head_len, const char *tail, size_t tail_len)
{
	char *text = text_dup(head, head_len);
	json_t *id = find_id(text);
	free(text);
	if (id != NULL)
		return id;
	text = text_dup(tail, tail_len);
	id = find_last_id(text);
	free(text);
	return id;
}

json_t *rpc_parse(const char *bytes, size_t len, char *fault, size_t size, json_t **id)
{
	json_error_t error;
	if (len >= sizeof BOM - 1 && memcmp(bytes, BOM, sizeof BOM - 1) == 0) {
		bytes += sizeof BOM - 1;
		len -= sizeof BOM - 1;
	}
	char *text = text_dup(bytes, len);
	mend_escapes(text);
	json_t *message = json_loads(text, JSON_DECODE_ANY, &error);
	*id = message == NULL ? find_id(text) : NULL;
	if (message == NULL)
		text_printf(fault, size, "Parse error: %s", error.text);
	free(text);
	return message;
}
