/* X-Forwarded-For and the trusted proxies: the answer is an address, and never a stranger's word. */
#include "tests/fuzz/fuzz.h"

#include "lib/http/client_address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
	char out[SOURCE_SIZE], *text = malloc(size + 1);
	unsigned char bytes[16];
	memcpy(text, data, size);
	text[size] = '\0';
	source_find((struct sockaddr *)&peer, text, "192.0.2.1, 10.0.0.1,::1", out);
	if (inet_pton(AF_INET, out, bytes) != 1 && inet_pton(AF_INET6, out, bytes) != 1)
		abort();
	source_find((struct sockaddr *)&peer, text, "192.0.2.9", out);
	if (strcmp(out, "192.0.2.1") != 0)
		abort();
	source_find((struct sockaddr *)&peer, "198.51.100.7", text, out);
	free(text);
	return 0;
}
