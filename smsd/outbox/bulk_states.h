/*
 * The life of a bulk job (one text to many): state and event to action. Pure;
 * docs/messages.md draws it. The list is stored first, as it was asked for; its
 * messages are made from it under ids that the list and the place in it give,
 * so that making them again makes nothing twice.
 */
#ifndef PHONY_SMSD_OUTBOX_BULK_STATES_H
#define PHONY_SMSD_OUTBOX_BULK_STATES_H

#include <jansson.h>

enum bulk_state {
	BULK_STORING,  /* the list is stored, its messages perhaps not all */
	BULK_SENDING,  /* all messages are stored, and some are still to be sent */
	BULK_DONE,     /* nothing is left to send */
	BULK_CANCELED, /* what was not sent is not sent any more */
	BULK_STATES,
};

enum bulk_event {
	BULK_RESUME,       /* nobody is storing its messages at the moment */
	BULK_STORED,       /* all its messages are stored */
	BULK_STORE_FAILED, /* some could not be */
	BULK_DRAINED,      /* no message of it is left to send */
	BULK_CANCEL,
	BULK_EVENTS,
};

enum bulk_action {
	BULK_NOTHING,
	BULK_STORE,       /* the messages that are missing */
	BULK_STORE_LATER, /* the same, after a pause */
	BULK_SEND,        /* becomes SENDING; the list of recipients is dropped */
	BULK_FINISH,      /* becomes DONE */
	BULK_TAKE_BACK,   /* becomes CANCELED, first; then its waiting messages are canceled */
};

enum bulk_action bulk_action(enum bulk_state state, enum bulk_event event);

/* The state as a document has it: "storing", "sending", "done", "canceled". */
const char *bulk_state_name(enum bulk_state state);
/* An unknown one counts as BULK_DONE: nothing is done about it. */
enum bulk_state bulk_state_of(const json_t *bulk);

#endif
