/*
 * What went out on the streams of a session, numbered and kept for a while, so
 * that a client whose connection broke gets what it missed (MCP 2025-11-25,
 * Transports, "Resumability and Redelivery").
 */
#ifndef PHONY_MCPD_TRANSPORT_HTTP_EVENTS_H
#define PHONY_MCPD_TRANSPORT_HTTP_EVENTS_H

#include "mcpd/transport/http_headers.h"

struct http_events;

struct http_events *http_events_new(void);
void http_events_free(struct http_events **e);

/* The client knows from here on where the stream begins: an event without data. */
void http_events_begin(struct http_events *e, unsigned stream, struct http_request *request);
/* Keeps a message of this stream and sends it; request is NULL while the connection is broken. */
void http_events_send(struct http_events *e, unsigned stream, struct http_request *request, const char *text);
/* Sends what this stream said after the event. */
void http_events_replay(const struct http_events *e, struct http_event_id after,
			struct http_request *request);
/* Whether that is anything. */
bool http_events_missed(const struct http_events *e, struct http_event_id after);

#endif
