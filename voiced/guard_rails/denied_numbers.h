/*
 * Which numbers are not called: emergency numbers, premium and satellite ranges,
 * DENIED_PREFIXES, all but ALLOWED_PREFIXES; and the do-not-call list. Asked by
 * the gate (call_checks.h).
 */
#ifndef PHONY_VOICED_GUARD_RAILS_DENIED_NUMBERS_H
#define PHONY_VOICED_GUARD_RAILS_DENIED_NUMBERS_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

/* The rule against this number by its prefix; false when there is none. */
bool guard_denies(const struct config *config, const char *number, char *why, size_t size);

/* phony_list_do_not_call and its kin. */
void guard_list_barred(struct voiced *v, json_t *args, struct reply reply);
void guard_bar(struct voiced *v, json_t *args, struct reply reply);
void guard_unbar(struct voiced *v, json_t *args, struct reply reply);

#endif
