/* Lines of an MCP client. After an empty one the daemons answer; what is left when it goes they answer then.
 */
#include "tests/fuzz/fuzz.h"

#include "mcpd/rpc.h"

#include <stdlib.h>
#include <string.h>

static void on_send(void *arg, const json_t *about, json_t *message)
{
	(void)about;
	(void)arg;
	if (message != NULL)
		free(rpc_text(message));
	json_decref(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mcpd mcpd;
	if (mcpd.asks == NULL)
		mcpd_init(&mcpd, NULL, NULL);
	struct rpc *rpc = rpc_new(&mcpd, on_send, NULL);
	while (size > 0) {
		const uint8_t *newline = memchr(data, '\n', size);
		size_t len = newline ? (size_t)(newline - data) : size;
		if (len == 0)
			fuzz_backend_answer();
		else
			rpc_receive(rpc, (const char *)data, len);
		len += newline != NULL;
		data += len;
		size -= len;
	}
	rpc_free(&rpc);
	for (int i = 0; i < 4; i++)
		fuzz_backend_answer();
	return 0;
}
