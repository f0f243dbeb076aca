/*
 * The audio of voicemails, which Twilio keeps: fetched with phony's own
 * credentials for whoever may use the API, so that nobody needs Twilio's.
 */
#ifndef PHONY_VOICED_NUMBERS_VOICEMAIL_AUDIO_H
#define PHONY_VOICED_NUMBERS_VOICEMAIL_AUDIO_H

#include "lib/base/reply.h"
#include "lib/http/server.h"
#include "voiced/voiced.h"

/*
 * MSG_GET_VOICEMAIL_AUDIO: {recordingSid} -> {recordingSid, mimeType, base64}. MP3,
 * since a frame holds 1 MiB; 413 for a recording that is longer than fits.
 */
void voicemail_audio_get(struct voiced *v, json_t *args, struct reply reply);
/* GET /api/voicemails/SID/recording: the WAV. False: the path is another's. */
bool voicemail_audio_serve(struct voiced *v, struct http_request *r);

#endif
