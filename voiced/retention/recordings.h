/* Our own recordings of calls: a WAV file each, STATE_DIR/recordings/CALL.wav, kept RETENTION_DAYS. */
#ifndef PHONY_VOICED_RETENTION_RECORDINGS_H
#define PHONY_VOICED_RETENTION_RECORDINGS_H

#include "lib/base/reply.h"
#include "lib/http/server.h"
#include "voiced/voiced.h"

struct recordings;
/* Removes what is too old, now and every hour. */
struct recordings *recordings_new(struct voiced *v);
void recordings_free(struct recordings **r);

/* The file of a call that is to be recorded, made if need be; -1 when it is not, or cannot be. */
int recordings_open(struct voiced *v, const struct call *call);
/* Twilio's own, of a call that came in; one that we place is created with it. */
void recordings_begin(struct voiced *v, const struct call *call);
void recordings_delete(struct voiced *v, const char *call_id);

/* phony_get_recording: how long it is, and where it is fetched. */
void recordings_get(struct voiced *v, json_t *args, struct reply reply);
/* GET /api/calls/SID/recording: the WAV. False: the path is another's. */
bool recordings_serve(struct voiced *v, struct http_request *r);

#endif
