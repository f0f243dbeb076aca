/* Messages of OpenAI Realtime, a line each. */
#include "tests/fuzz/talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return talk(&provider_openai, data, size);
}
