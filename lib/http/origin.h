/*
 * Who may speak to us from a browser: pages of ours, by the Origin and Host
 * headers. A page elsewhere has another origin (Fetch, section 3.2); one that
 * was given our address by its own DNS has a foreign Host (DNS rebinding).
 */
#ifndef PHONY_HTTP_ORIGIN_H
#define PHONY_HTTP_ORIGIN_H

#include "lib/http/server.h"

/*
 * Whether the request's Origin and Host, where it has them, are loopback's or
 * public_url's. Answered with 403 when not. The Host of a client elsewhere is
 * not looked at: only a browser on this machine can be misled to us.
 */
bool origin_is_ours(struct http_request *r, const char *public_url);

/* Whether an Origin names the very host that the request is for. */
bool origin_is_host(struct http_request *r, const char *origin);

/* Whether it is public_url's. */
bool origin_is_url(const char *origin, const char *public_url);

/* Whether it is loopback's, of whatever port, or public_url's: enough for who shows a token. */
bool origin_allowed(const char *origin, const char *public_url);

#endif
