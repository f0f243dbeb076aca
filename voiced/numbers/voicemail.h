/*
 * Voicemails: recorded by Twilio, kept here with their transcription, which is
 * asked for when Twilio does not tell it.
 */
#ifndef PHONY_VOICED_NUMBERS_VOICEMAIL_H
#define PHONY_VOICED_NUMBERS_VOICEMAIL_H

#include "lib/base/form.h"
#include "lib/base/json_read.h"
#include "lib/base/reply.h"
#include "lib/http/server.h"
#include "voiced/voiced.h"

struct voicemails;
/* Looks from time to time after transcriptions that have not come. */
struct voicemails *voicemails_new(struct voiced *v);
void voicemails_free(struct voicemails **m);

/* Opens the reader on args and reads recordingSid, checked; "" after a fault. */
const char *voicemail_read_sid(struct json_reader *r, json_t *args);

void voicemail_list(struct voiced *v, json_t *args, struct reply reply);
void voicemail_search(struct voiced *v, json_t *args, struct reply reply);
void voicemail_get(struct voiced *v, json_t *args, struct reply reply);
void voicemail_mark(struct voiced *v, json_t *args, struct reply reply, bool read);
void voicemail_delete(struct voiced *v, json_t *args, struct reply reply);
void voicemail_delete_many(struct voiced *v, json_t *args, struct reply reply);
void voicemail_count_unread(struct voiced *v, json_t *args, struct reply reply);

/* Twilio's webhooks, their signature checked: stored, then fn with an error or NULL. */
void voicemail_recorded(struct voiced *v, const struct form *form, store_fn *fn, void *arg);
void voicemail_transcribed(struct voiced *v, const struct form *form, store_fn *fn, void *arg);

#endif
