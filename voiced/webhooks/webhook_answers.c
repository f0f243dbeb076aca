#include "voiced/webhooks/webhook_answers.h"

#include "lib/base/clock.h"
#include "lib/base/object.h"

#include <stdlib.h>
#include <string.h>

#define WEBHOOK_ANSWERS_MAGIC 0x616e7377u

/* Twilio gives up on a request after 15 s, and repeats it five times at most (rc=5). */
enum { ANSWERS = 512, KEPT_S = 120 };

struct webhook_answers {
	unsigned magic;
	size_t next; /* the oldest one */
	struct webhook_answer {
		char *key; /* NULL: unused */
		struct buffer text;
		struct mono_us at;
	} all[ANSWERS];
};

struct webhook_answers *webhook_answers_new(void)
{
	struct webhook_answers *a;
	OBJ_ALLOC(a, WEBHOOK_ANSWERS_MAGIC);
	return a;
}

void webhook_answers_free(struct webhook_answers **aa)
{
	struct webhook_answers *a = *aa;
	if (a == NULL)
		return;
	OBJ_CHECK(a, WEBHOOK_ANSWERS_MAGIC);
	for (size_t i = 0; i < ANSWERS; i++) {
		free(a->all[i].key);
		buffer_free(&a->all[i].text);
	}
	OBJ_FREE(a);
	*aa = NULL;
}

void webhook_answers_keep(struct webhook_answers *a, const char *key, const struct buffer *answer)
{
	OBJ_CHECK(a, WEBHOOK_ANSWERS_MAGIC);
	struct webhook_answer *slot = &a->all[a->next++ % ANSWERS];
	free(slot->key);
	slot->key = xstrdup(key);
	slot->text.len = 0;
	buffer_append(&slot->text, answer->data, answer->len);
	slot->at = mono_now();
}

const struct buffer *webhook_answers_find(const struct webhook_answers *a, const char *key)
{
	OBJ_CHECK(a, WEBHOOK_ANSWERS_MAGIC);
	for (size_t i = 0; i < ANSWERS; i++)
		if (a->all[i].key != NULL && strcmp(a->all[i].key, key) == 0 &&
		    mono_now().us - a->all[i].at.us < KEPT_S * INT64_C(1000000))
			return &a->all[i].text;
	return NULL;
}
