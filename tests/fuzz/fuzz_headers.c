/* The headers of MCP over HTTP: the first line is their value, the rest the body. */
#include "tests/fuzz/fuzz.h"

#include "mcpd/transport/http_headers.h"

#include <stdlib.h>
#include <string.h>

extern const char *fuzz_header;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = memchr(data, '\n', size);
	size_t len = newline ? (size_t)(newline - data) : size;
	char *value = strndup((const char *)data, len);
	size_t rest = newline ? size - len - 1 : 0;
	json_t *body = json_loadb(newline ? (const char *)newline + 1 : "", rest, 0, NULL);
	struct header_fault fault;
	fuzz_header = value;
	if (headers_are_modern(NULL, body))
		headers_fit(NULL, body, &fault);
	headers_accept(NULL, "text/event-stream");
	struct http_event_id id;
	headers_event_id(value, &id);
	json_decref(body);
	free(value);
	return 0;
}
