/* To whom a request belongs, told from the first bytes of its connection. Pure. */
#ifndef PHONY_VOICED_FRONTEND_CONNECTION_ROUTE_H
#define PHONY_VOICED_FRONTEND_CONNECTION_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

enum route_kind {
	ROUTE_PARTIAL, /* the request line (or, of a stream, the header) is not whole yet */
	ROUTE_BAD,     /* no request line of HTTP/1 */
	ROUTE_UNCLEAR, /* unclear path (lib/http/request_target.h), or a stream's header comes twice */
	ROUTE_SELF,
	ROUTE_SMSD,
	ROUTE_MCPD,
	ROUTE_STREAM, /* a media stream's upgrade: token, target and signature are set */
};

enum {
	ROUTE_LINE_MAX = 8192,    /* longer: 414 */
	ROUTE_HEADER_MAX = 16384, /* of a stream's upgrade; longer: 431 */
	ROUTE_TOKEN_SIZE = 128,
	ROUTE_TARGET_SIZE = 256,
	ROUTE_SIGNATURE_SIZE = 64,
};

struct route {
	enum route_kind kind;
	char token[ROUTE_TOKEN_SIZE];         /* ROUTE_STREAM: the last part of the path */
	char target[ROUTE_TARGET_SIZE];       /* the request's target as sent */
	char signature[ROUTE_SIGNATURE_SIZE]; /* X-Twilio-Signature, "" if none */
};

void route_request(const char *bytes, size_t len, struct route *out);

#endif
