/*
 * The answers that Twilio's webhooks got, for a while: a repeat of a request gets
 * the same one, though the call, its number's settings or the load have changed
 * since (Twilio repeats what it heard no answer to).
 */
#ifndef PHONY_VOICED_WEBHOOKS_WEBHOOK_ANSWERS_H
#define PHONY_VOICED_WEBHOOKS_WEBHOOK_ANSWERS_H

#include "lib/base/buffer.h"

struct webhook_answers;

struct webhook_answers *webhook_answers_new(void);
void webhook_answers_free(struct webhook_answers **a);

/* key: what makes two requests the same. The answer is copied. */
void webhook_answers_keep(struct webhook_answers *a, const char *key, const struct buffer *answer);
/* The answer of the last minutes; borrowed. NULL: there was none. */
const struct buffer *webhook_answers_find(const struct webhook_answers *a, const char *key);

#endif
