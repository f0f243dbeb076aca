/*
 * The life of a message on its way to Twilio: state and event to action. Pure,
 * so that it can be read and tested as a table; docs/messages.md draws it.
 *
 * The state is a field of the message's document, and every change of it names
 * the state that it expects there: a change that came second finds another
 * state, and asks the table again. So hosts that share a database, a callback
 * and a person's cancel may all act on one message at once.
 */
#ifndef PHONY_SMSD_OUTBOX_OUTBOX_STATES_H
#define PHONY_SMSD_OUTBOX_OUTBOX_STATES_H

#include <jansson.h>

enum outbox_state {
	OUTBOX_WAITING,  /* for its time, or for the next try */
	OUTBOX_ASKING,   /* a request of ours may be at Twilio: it is never sent again before that is known */
	OUTBOX_STOPPING, /* the same, and it was canceled: if Twilio does not have it, it is not sent */
	OUTBOX_SETTLED,  /* Twilio has it, or it failed, or it was canceled before */
	OUTBOX_STATES,
};

enum outbox_event {
	OUTBOX_DUE,       /* its time has come, or the host that had it is gone; this host has claimed it */
	OUTBOX_ACCEPTED,  /* an answer, a callback or a look at Twilio names it by its SID */
	OUTBOX_REFUSED,   /* by Twilio, for good */
	OUTBOX_FORBIDDEN, /* by a check of ours (send_checks.h) */
	OUTBOX_POSTPONED, /* certainly not processed; the same may be accepted later */
	OUTBOX_UNCLEAR,   /* no answer, or none that says whether it was processed */
	OUTBOX_ABSENT,    /* Twilio does not have it, and no request for it is alive any more */
	OUTBOX_EXPIRED,   /* as OUTBOX_POSTPONED, for too long by now */
	OUTBOX_WITHDRAWN, /* canceled, and no request for it was made since it was claimed */
	OUTBOX_CANCEL,    /* a person's wish, of its bulk, or the emergency shutdown */
	OUTBOX_EVENTS,
};

enum outbox_action {
	OUTBOX_NOTHING,
	OUTBOX_ASK,      /* pass the gate, then ask Twilio; becomes ASKING */
	OUTBOX_LOOK,     /* look at Twilio whether it is there */
	OUTBOX_NAME,     /* store its SID; becomes SETTLED */
	OUTBOX_FAIL,     /* store why it will not be sent; becomes SETTLED */
	OUTBOX_WAIT,     /* try again later; becomes WAITING */
	OUTBOX_TAKE_OUT, /* canceled; becomes SETTLED */
	OUTBOX_STOP,     /* becomes STOPPING */
	OUTBOX_TOO_LATE, /* there is nothing left to cancel */
};

enum outbox_action outbox_action(enum outbox_state state, enum outbox_event event);

/* The state as a document has it: "waiting", "asking", "stopping"; NULL: the field is not there. */
const char *outbox_state_name(enum outbox_state state);
enum outbox_state outbox_state_of(const json_t *document);

#endif
