/*
 * MCP over HTTP ("Streamable HTTP"), one path for both eras: sessions of the
 * older one, requests that stand alone of the current one (transports of
 * 2025-11-25 and 2026-07-28).
 */
#ifndef PHONY_MCPD_TRANSPORT_HTTP_H
#define PHONY_MCPD_TRANSPORT_HTTP_H

#include "lib/config/config.h"
#include "lib/http/server.h"
#include "mcpd/mcpd.h"

struct mcp_http;

/* config and mcpd are borrowed. */
struct mcp_http *mcp_http_new(struct mcpd *mcpd, const struct config *config);
/* Ends every session and stream; before the server of the requests is freed. */
void mcp_http_free(struct mcp_http **h);

/* An http_handler_fn; arg is the struct mcp_http. */
void mcp_http_handle(struct http_request *r, void *arg);
/* How many clients there are now. */
unsigned mcp_http_clients(const struct mcp_http *h);

#endif
