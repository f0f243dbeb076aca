/*
 * A message's document, and its states. The contract's fields, and of the
 * outbox: requestId (ours, the messageSid until Twilio gives one), state, dueAt
 * (there is work to do then), owner, askedAt, tries; checkAt (reconcile.h).
 */
#ifndef PHONY_SMSD_MESSAGES_H
#define PHONY_SMSD_MESSAGES_H

#include "lib/base/json_read.h"
#include "lib/base/reply.h"
#include "smsd/smsd.h"

enum {
	MESSAGE_CHARACTERS = 1600, /* Twilio's limit of a body */
	MESSAGE_BYTES = 1600 * 4,
	MESSAGE_MEDIA = 10,
	REQUEST_ID_SIZE = 35, /* "PM" and 32 hexadecimal digits */
};

/* The name of the talk between two numbers: conv_ and their digits, sorted. The caller frees. */
char *message_conversation_id(const char *a, const char *b);

/* A new requestId. */
void message_request_id(char out[REQUEST_ID_SIZE]);
/* Whether text names a message: Twilio's SID, or a requestId. */
bool message_is_id(const char *text);
/* The messageSid that a verb is asked about; NULL: answered that it is missing or none. */
const char *message_read_sid(json_t *args, struct reply reply);
/* Reads the filters that lists and deletion share (message_queries.c). Owned by the caller. */
json_t *message_read_filters(struct json_reader *r, bool with_numbers, bool with_status);
/* The message of either kind of id. */
void message_look_up(struct smsd *s, const char *id, store_fn *fn, void *arg);

/* Whether Twilio has such a status. */
bool message_status_known(const char *status);
/* Whether nothing follows it that matters to who sent the message. */
bool message_status_is_last(const char *status);
/* The states that may go before this one: ["queued", …]. Owned by the caller. */
json_t *message_states_before(const char *status);
extern const char *const message_statuses[]; /* ends with NULL */

/* Time as documents have it. Owned by the caller. */
json_t *message_time(int64_t ms);

/* A text of a document; "" when it is not there. */
const char *message_field(const json_t *document, const char *field);

/* The message as a person sees it, fields in a fixed order. Owned by the caller. */
json_t *message_public(const json_t *document);

/* Tells voiced's listeners that a message has come, or has another status. */
void message_news(struct smsd *s, const json_t *document);

/*
 * Moves a message's status forward, never back (Twilio's callbacks come in any
 * order). error_code may be 0. fn gets the document or null.
 */
void message_advance(struct smsd *s, const char *sid, const char *status, int error_code,
		     const char *error_message, store_fn *fn, void *arg);

#endif
