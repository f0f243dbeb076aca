/*
 * The TCP connection to a voice provider, made here for the call's worker: confined,
 * it can connect to nothing itself.
 */
#ifndef PHONY_VOICED_WORKERS_AGENT_CONNECTION_H
#define PHONY_VOICED_WORKERS_AGENT_CONNECTION_H

#include <stddef.h>

/*
 * Begins to connect to the host and port of a ws: or wss: URL and does not wait.
 * address: where the host is, as numbers; "" when the URL has numbers itself. The
 * descriptor is non-blocking and the caller's; -1: a sentence in why.
 */
int agent_connection_begin(const char *url, const char *address, char *why, size_t size);

#endif
