/* The door: request lines and stream headers. */
#include "tests/fuzz/fuzz.h"

#include "lib/twilio/signature.h"
#include "voiced/frontend/connection_route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct route route;
	route_request((const char *)data, size, &route);
	if (route.kind == ROUTE_STREAM)
		twilio_stream_signature_valid("token", "https://phony.example", route.target,
					      route.signature);
	return 0;
}
