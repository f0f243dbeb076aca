/* The headers of MCP over HTTP: which era a request is of, and whether they say what its body says. */
#ifndef PHONY_MCPD_TRANSPORT_HTTP_HEADERS_H
#define PHONY_MCPD_TRANSPORT_HTTP_HEADERS_H

#include "lib/http/server.h"

/*
 * Of the current era: MCP-Protocol-Version is 2026-07-28 or later, or the body's
 * _meta has a version. message may be NULL: there is no body.
 */
bool headers_are_modern(const struct http_request *r, const json_t *message);

struct header_fault {
	int code;
	char message[200];
	bool bad_meta; /* _meta lacks a part that it needs: what the dispatcher will say is a 400 */
};

/*
 * Whether the headers of a request of the current era repeat its body:
 * MCP-Protocol-Version, Mcp-Method, and Mcp-Name where the method has one
 * (SEP-2243).
 */
bool headers_fit(const struct http_request *r, const json_t *message, struct header_fault *fault);

/* Whether Accept has this type, or anything, or is not there. */
bool headers_accept(const struct http_request *r, const char *type);

/* An event's id says which stream it went out on, and its place among all of its session's. */
struct http_event_id {
	unsigned stream, number;
};

/* What Last-Event-ID says; false: it is no id of ours. */
bool headers_event_id(const char *text, struct http_event_id *id);

#endif
