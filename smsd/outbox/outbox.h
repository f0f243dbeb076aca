/*
 * Messages on their way to Twilio: stored before Twilio is asked, asked for
 * exactly once. What was surely not accepted is asked for again with growing
 * delays; what perhaps was is looked up at Twilio first, until no request for it
 * can be alive any more. Hosts that share a database take each message for a
 * while (owner, dueAt): a host that dies with one loses it to another host, which
 * then looks it up. outbox_states.h has the states.
 */
#ifndef PHONY_SMSD_OUTBOX_H
#define PHONY_SMSD_OUTBOX_H

#include "smsd/smsd.h"

struct outbox;

/* Takes up what this host left when it ended. */
struct outbox *outbox_new(struct smsd *s);
/* Questions still open are answered with what is known. */
void outbox_free(struct outbox **o);
/* No message is begun any more; what is on its way is finished. */
void outbox_drain(struct outbox *o);
/* Requests to Twilio on their way. */
unsigned outbox_busy(const struct outbox *o);

struct outgoing {
	const char *to, *from, *body;
	const json_t *media_urls;    /* array, or NULL */
	const char *conversation_id; /* of a group, or NULL */
	const char *bulk_id;         /* or NULL */
	const char *request_id;      /* a new one when NULL; one that is there already changes nothing */
	int64_t send_at;             /* ms since 1970; 0: now */
};

/*
 * What became of a message: its document, and the words when it was refused
 * (error_status 4xx or 5xx) or waits (error NULL, but not yet accepted by Twilio).
 */
struct outbox_end {
	const json_t *document; /* NULL when it could not even be stored */
	int error_status;       /* 0: none */
	const char *code, *message;
};
typedef void outbox_fn(void *arg, const struct outbox_end *end);

/*
 * Stores the message and has it sent. fn is called once: when Twilio has
 * answered, or after some seconds when that takes longer; at once (stored) for
 * a later send_at. Everything is copied.
 */
void outbox_send(struct outbox *o, const struct outgoing *m, outbox_fn *fn, void *arg);

/* The end of a cancel; message is as it is then, error the store's. */
enum outbox_cancel_result {
	OUTBOX_CANCELED,       /* it will not be sent */
	OUTBOX_CANCEL_PENDING, /* a request for it is on its way: what Twilio does not have is not sent again
				*/
	OUTBOX_CANCEL_LATE,    /* Twilio has it, or it has ended otherwise */
	OUTBOX_CANCEL_FAILED,
};
typedef void outbox_cancel_fn(void *arg, enum outbox_cancel_result canceled, json_t *message,
			      const char *error);
/* Takes back a message of whichever host; document: as it was just read. */
void outbox_cancel(struct smsd *s, const json_t *document, outbox_cancel_fn *fn, void *arg);

/* Twilio knows the message of this requestId by this SID (a callback or a look told us). */
void outbox_named(struct outbox *o, const char *request_id, const char *sid, store_fn *fn, void *arg);

#endif
