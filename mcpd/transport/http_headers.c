#include "mcpd/transport/http_headers.h"

#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "mcpd/features/server_info.h"
#include "mcpd/request.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_MODERN "2026-07-28"

static const json_t *meta_of(const json_t *message)
{
	return json_object_get(json_object_get(message, "params"), "_meta");
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

bool headers_are_modern(const struct http_request *r, const json_t *message)
{
	const char *version = http_header(r, "MCP-Protocol-Version");
	return (version != NULL && strcmp(version, FIRST_MODERN) >= 0) ||
	       json_object_get(meta_of(message), META_VERSION) != NULL;
}

/* What Mcp-Name has to repeat; NULL: the method has no such header. */
static const char *name_of(const char *method, const json_t *params)
{
	static const struct {
		const char *method, *member;
	} names[] = {{"tools/call", "name"},  {"prompts/get", "name"},    {"resources/read", "uri"},
		     {"tasks/get", "taskId"}, {"tasks/update", "taskId"}, {"tasks/cancel", "taskId"}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i].method, method) == 0)
			return text_of(params, names[i].member);
	return NULL;
}

/* The header's value, "=?base64?…?=" decoded. The caller frees; NULL: bad base64. */
static char *decoded(const char *value)
{
	static const char begin[] = "=?base64?";
	size_t len = strlen(value), start = sizeof begin - 1;
	if (len < start + 2 || strncasecmp(value, begin, start) != 0 || strcmp(value + len - 2, "?=") != 0)
		return xstrdup(value);
	size_t coded = len - start - 2;
	unsigned char *out = xcalloc(1, coded / 4 * 3 + 4);
	int n = EVP_DecodeBlock(out, (const unsigned char *)value + start, (int)coded);
	if (n < 0 || coded % 4 != 0) {
		free(out);
		return NULL;
	}
	out[n] = '\0';
	return (char *)out;
}

static bool same(const struct http_request *r, const char *header, const char *wanted,
		 struct header_fault *fault)
{
	const char *value = http_header(r, header);
	char *plain = value ? decoded(value) : NULL;
	bool equal = plain != NULL && strcmp(plain, wanted) == 0;
	free(plain);
	if (equal)
		return true;
	fault->code = RPC_HEADERS_DIFFER;
	text_printf(fault->message, sizeof fault->message, "The header %s %s", header,
		    value == NULL ? "is missing" : "does not say what the body says");
	return false;
}

bool headers_fit(const struct http_request *r, const json_t *message, struct header_fault *fault)
{
	const json_t *meta = meta_of(message);
	const char *version = text_of(meta, META_VERSION), *method = text_of(message, "method");
	*fault = (struct header_fault){0};
	if (version == NULL) {
		fault->code = RPC_INVALID_PARAMS;
		text_printf(fault->message, sizeof fault->message, "_meta: " META_VERSION " is missing");
		return false;
	}
	fault->bad_meta = !json_is_object(json_object_get(meta, META_CAPABILITIES));
	if (!same(r, "MCP-Protocol-Version", version, fault))
		return false;
	if (!discover_is_modern(version) || method == NULL)
		return true; /* the dispatcher says what is wrong */
	const char *name = name_of(method, json_object_get(message, "params"));
	return same(r, "Mcp-Method", method, fault) && (name == NULL || same(r, "Mcp-Name", name, fault));
}

bool headers_accept(const struct http_request *r, const char *type)
{
	const char *accept = http_header(r, "Accept");
	return accept == NULL || strcasestr(accept, type) != NULL || strstr(accept, "*/*") != NULL;
}

bool headers_event_id(const char *text, struct http_event_id *id)
{
	char stream[10], number[10];
	int end = 0;
	if (sscanf(text, "%9[0-9]-%9[0-9]%n", stream, number, &end) != 2 || text[end] != '\0')
		return false;
	id->stream = (unsigned)strtoul(stream, NULL, 10);
	id->number = (unsigned)strtoul(number, NULL, 10);
	return true;
}
