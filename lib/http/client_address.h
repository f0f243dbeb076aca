/*
 * Who asks, as far as a proxy may tell it: X-Forwarded-For is believed when it
 * comes from an address of TRUSTED_PROXIES, and nobody else's word counts.
 */
#ifndef PHONY_HTTP_CLIENT_ADDRESS_H
#define PHONY_HTTP_CLIENT_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

enum { SOURCE_SIZE = INET6_ADDRSTRLEN };

/*
 * The address, as text, that a request is from. peer: the connection's other end;
 * forwarded: the header's value, all its lines as one list, or NULL; trusted: addresses by commas ("" for
 * none). Of several proxies the last that is not trusted counts.
 */
void source_find(const struct sockaddr *peer, const char *forwarded, const char *trusted,
		 char out[SOURCE_SIZE]);

/* Whether this address is 127.0.0.0/8 or ::1. */
bool source_is_loopback(const char *address);

#endif
