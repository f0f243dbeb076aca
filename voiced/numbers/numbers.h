/* Our numbers, as Twilio has them, and their webhooks. */
#ifndef PHONY_VOICED_NUMBERS_H
#define PHONY_VOICED_NUMBERS_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

void numbers_list(struct voiced *v, json_t *args, struct reply reply);
/* Those that have no handler for incoming calls yet. */
void numbers_list_free(struct voiced *v, json_t *args, struct reply reply);

/* Calls to this number of ours reach us from now on; error is a sentence, or NULL. */
typedef void numbers_fn(void *arg, int http_status, const char *error);
void numbers_set_webhook(struct voiced *v, const char *number, numbers_fn *fn, void *arg);

/* What Twilio calls for a number's calls, with how it repeats what failed; both to be freed. */
void numbers_webhooks(const char *public_url, char **voice_url, char **status_callback);

#endif
