/*
 * What stands against placing a call, since an assistant holds the phone: numbers
 * that must not be called, how many calls in which time, the hour of the day where
 * the phone rings. Each refusal names its rule and how to change it.
 */
#ifndef PHONY_GUARD_H
#define PHONY_GUARD_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

/* why is NULL when the call may be placed. */
typedef void guard_fn(void *arg, int http_status, const char *code, const char *why);

/* Looks at everything; retry: one that was allowed before, when only the list and the hour count. */
void guard_check(struct voiced *v, const char *to_number, bool ignore_hours, bool retry, guard_fn *fn,
		 void *arg);

/* The rule against this number by its prefix; false when there is none. */
bool guard_denies(const struct config *config, const char *number, char *why, size_t size);

/* phony_list_do_not_call and its kin. */
void guard_list_barred(struct voiced *v, json_t *args, struct reply reply);
void guard_bar(struct voiced *v, json_t *args, struct reply reply);
void guard_unbar(struct voiced *v, json_t *args, struct reply reply);

#endif
