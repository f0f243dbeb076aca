/*
 * Hosts that share a database: a call that one of them placed is answered by
 * whichever host Twilio's request reaches. What is needed for that (the secret,
 * the instructions, the state) is in the call's document, and so is the host
 * that has the call now.
 */
#ifndef PHONY_VOICED_CALLS_HOST_TAKEOVER_H
#define PHONY_VOICED_CALLS_HOST_TAKEOVER_H

#include "voiced/voiced.h"

/* call is NULL when the token is no live call's; then error tells whether the store failed. */
typedef void elsewhere_fn(void *arg, struct call *call, const char *error);

/* The call of this token: from the register (at once), or from the store. */
void elsewhere_find(struct voiced *v, const char *token, elsewhere_fn *fn, void *arg);

/* Whether the token is that of the call with this document. */
bool elsewhere_token_fits(const json_t *document, const char *token);

/* A call that another host stored, if it is live, in the register from now on; else NULL. */
struct call *elsewhere_take(struct voiced *v, const json_t *document);

/* Lets go of a call that another host has taken or ended; else fn goes on with it. */
void elsewhere_check(struct voiced *v, struct call *call, void (*fn)(struct voiced *v, struct call *call));

/*
 * Writes the state of a live call, unless another host has it by now: what this one
 * knows of it may be of before that.
 */
void elsewhere_save(struct voiced *v, struct call *call);

#endif
