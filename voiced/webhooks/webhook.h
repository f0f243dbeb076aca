/* A webhook of Twilio's on its way to its answer: what its handlers share. */
#ifndef PHONY_VOICED_WEBHOOKS_WEBHOOK_H
#define PHONY_VOICED_WEBHOOKS_WEBHOOK_H

#include "lib/base/form.h"
#include "lib/http/server.h"
#include "voiced/voiced.h"

struct hook {
	struct voiced *v;
	struct http_request *request;
	char *call_id; /* once the call is known */
	struct form form, query;
	int64_t attempt;
	size_t route; /* of the table in twilio.c */
	char *key;    /* what the answer is kept by, for a repeat (webhook_answers.h); or NULL */
};

/* A field of the form; "" when it is not there. */
const char *hook_field(const struct hook *h, const char *name);
const char *hook_query(const struct hook *h, const char *name);
/* The hook's call, if it is still there. */
struct call *hook_call(const struct hook *h);
void hook_free(struct hook *h);

/* Each of these answers, and frees the hook. */
void hook_reply_twiml(struct hook *h, struct buffer *b);   /* b is closed and freed */
void hook_reply_hangup(struct hook *h, const char *words); /* NULL: nothing is said */
void hook_reply_error(struct hook *h, unsigned status, const char *code, const char *message);
/* With the store's error; false when there is none. */
bool hook_store_error(struct hook *h, const char *error);
/* 204 once everything written so far is durable. */
void hook_reply_noted(struct hook *h);

/* The stream of the call's next attempt (h->attempt): stored, then answered. */
void hook_connect(struct hook *h, struct call *call);

/* POST /call/incoming of a call that is not known yet. */
void incoming_take(struct hook *h);
/* POST /call/transfer, /call/transferred of a call. */
void transfer_dial(struct hook *h, struct call *call);
void transfer_done(struct hook *h, struct call *call);

#endif
