/*
 * Calls for later: kept in the store until they are due, placed by one host, once.
 * A call that was busy or not answered becomes one when it is to be tried again.
 */
#ifndef PHONY_VOICED_CALLS_SCHEDULE_H
#define PHONY_VOICED_CALLS_SCHEDULE_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

struct schedule;

struct schedule *schedule_new(struct voiced *v);
void schedule_free(struct schedule **s);

/* Keeps a call's document until then, and answers as phony_create_call does. Stolen. */
void schedule_call(struct voiced *v, json_t *document, int64_t due_ms, struct reply reply);
/* The call is over: tried again if it is to be. */
void schedule_retry(struct voiced *v, const struct call *call);
/*
 * A scheduled call that was taken and cannot be placed yet: forgotten here, kept
 * again until due_ms, and why is noted. False, and nothing is done, when that would
 * be more than a day late, or somebody has ended the call, or it was none of these.
 */
bool schedule_postpone(struct voiced *v, struct call *call, int64_t due_ms, const char *why);
/* Whether a scheduled call should have been placed more than a day ago. */
bool schedule_is_late(const struct call *call, int64_t now_ms);
/* Whether the voiced before this one had taken the call, and Twilio was not asked: it is due again, and
 * forgotten. */
bool schedule_recover(struct voiced *v, struct call *call);
/* phony_cancel_call */
void schedule_cancel(struct voiced *v, json_t *args, struct reply reply);
/* The same for the PC… or callSid of a scheduled call, by a reason. */
void schedule_cancel_one(struct voiced *v, const char *id, const char *reason, struct reply reply);

/* error is NULL when all scheduled calls of the database were canceled. */
typedef void schedule_canceled_fn(void *arg, unsigned canceled, const char *error);
/* Cancels them all, whichever host scheduled them. */
void schedule_cancel_all(struct voiced *v, const char *reason, schedule_canceled_fn *fn, void *arg);

/* Whether this is our own name of a call: PC and 32 hexadecimal digits. */
bool schedule_is_id(const char *text);

#endif
