/* ElevenLabs agents: the first message of a conversation, and the names of its audio formats. */
#ifndef PHONY_CALLWORKER_PROVIDERS_ELEVENLABS_MESSAGES_H
#define PHONY_CALLWORKER_PROVIDERS_ELEVENLABS_MESSAGES_H

#include "callworker/providers/provider.h"

/* conversation_initiation_client_data; owned by the caller. */
char *elevenlabs_initiation(const struct provider_setup *setup);
/* ulaw_8000, pcm_8000 … pcm_48000; false for any other. */
bool elevenlabs_format(const char *name, struct audio_format *format);

#endif
