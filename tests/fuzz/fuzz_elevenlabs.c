/* Messages of ElevenLabs' agents, a line each. */
#include "tests/fuzz/talk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return talk(&provider_elevenlabs, data, size);
}
