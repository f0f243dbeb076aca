/*
 * Clients of MCP's older era over HTTP: a session each, from its initialize on
 * (MCP 2025-11-25, Transports, "Session Management").
 */
#ifndef PHONY_MCPD_TRANSPORT_HTTP_SESSIONS_H
#define PHONY_MCPD_TRANSPORT_HTTP_SESSIONS_H

#include "lib/http/server.h"
#include "mcpd/mcpd.h"

struct http_sessions;

/* mcpd is borrowed. */
struct http_sessions *http_sessions_new(struct mcpd *mcpd);
/* Ends every session and its streams. */
void http_sessions_free(struct http_sessions **s);

/* Each answers the request. message is borrowed. */
void http_sessions_post(struct http_sessions *s, struct http_request *r, json_t *message);
void http_sessions_get(struct http_sessions *s, struct http_request *r);
void http_sessions_delete(struct http_sessions *s, struct http_request *r);

/* Ends those that nobody used for an hour; how many are left. */
unsigned http_sessions_sweep(struct http_sessions *s);
unsigned http_sessions_count(const struct http_sessions *s);

#endif
