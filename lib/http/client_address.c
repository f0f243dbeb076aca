#include "lib/http/client_address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Brings an address into its one form; false when it is none. */
static bool normalize(const char *text, size_t len, char out[SOURCE_SIZE])
{
	char copy[SOURCE_SIZE];
	unsigned char bytes[sizeof(struct in6_addr)];
	if (len == 0 || len >= sizeof copy)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET, copy, bytes) == 1)
		return inet_ntop(AF_INET, bytes, out, SOURCE_SIZE) != NULL;
	if (inet_pton(AF_INET6, copy, bytes) != 1)
		return false;
	/* ::ffff:192.0.2.1 is 192.0.2.1 */
	if (IN6_IS_ADDR_V4MAPPED((struct in6_addr *)bytes))
		return inet_ntop(AF_INET, bytes + 12, out, SOURCE_SIZE) != NULL;
	return inet_ntop(AF_INET6, bytes, out, SOURCE_SIZE) != NULL;
}

static bool is_trusted(const char *address, const char *trusted)
{
	char one[SOURCE_SIZE];
	for (const char *at = trusted; *at != '\0'; at += *at == ',') {
		at += strspn(at, " ");
		size_t len = strcspn(at, ", ");
		if (normalize(at, len, one) && strcmp(one, address) == 0)
			return true;
		at += strcspn(at, ",");
	}
	return false;
}

static void peer_text(const struct sockaddr *peer, char out[SOURCE_SIZE])
{
	char text[SOURCE_SIZE] = "";
	if (peer->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, text, sizeof text);
	else if (peer->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)peer)->sin6_addr, text, sizeof text);
	if (!normalize(text, strlen(text), out))
		snprintf(out, SOURCE_SIZE, "?");
}

void source_find(const struct sockaddr *peer, const char *forwarded, const char *trusted,
		 char out[SOURCE_SIZE])
{
	char one[SOURCE_SIZE];
	peer_text(peer, out);
	if (forwarded == NULL)
		return;
	/* From the right: each is the word of the one after it. */
	for (size_t end = strlen(forwarded); is_trusted(out, trusted) && end > 0;) {
		size_t begin = end;
		while (begin > 0 && forwarded[begin - 1] != ',')
			begin--;
		size_t from = begin + strspn(forwarded + begin, " "), to = end;
		while (to > from && forwarded[to - 1] == ' ')
			to--;
		if (!normalize(forwarded + from, to - from, one))
			return;
		snprintf(out, SOURCE_SIZE, "%s", one);
		end = begin > 0 ? begin - 1 : 0;
	}
}

bool source_is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}
