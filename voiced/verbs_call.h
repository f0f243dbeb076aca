/* What the verbs of one call share: reading callSid, finding the live call, asking its worker. */
#ifndef PHONY_VERBS_CALL_H
#define PHONY_VERBS_CALL_H

#include "lib/base/json_read.h"
#include "lib/base/reply.h"
#include "proto/messages.h"
#include "voiced/voiced.h"

/* Opens the reader and reads callSid; "" after a fault. */
const char *verb_read_sid(struct json_reader *r, json_t *args);
/* Closes the reader; answers 400 when there are faults. */
bool verb_refuse_faults(struct json_reader *r, struct reply reply);
/* The live call, or NULL: answered (404 for an unknown call, 409 for one that is over). */
struct call *verb_live_call(struct voiced *v, const char *sid, struct reply reply);
/* Asks the live call's worker and answers {status, message, callSid}. body is stolen. */
void verb_ask_worker(struct voiced *v, const char *sid, enum message type, json_t *body, const char *message,
		     struct reply reply);

#endif
