/*
 * The gate: what is checked before Twilio is asked to send a message, whoever
 * wants it sent and whenever: the sender (SMS_ENABLED_NUMBERS), the
 * recipient's opt-out, and that its bulk was not canceled. Every message passes
 * right before Twilio is asked; one that waits has passed when it was taken in, too.
 */
#ifndef PHONY_SMSD_OUTBOX_SEND_CHECKS_H
#define PHONY_SMSD_OUTBOX_SEND_CHECKS_H

#include "smsd/smsd.h"

enum gate_verdict {
	GATE_OPEN,
	GATE_REFUSED,  /* for good: status, code and message say why */
	GATE_CANCELED, /* its bulk was: not an error */
	GATE_UNKNOWN,  /* the database does not say at the moment */
};

struct gate_answer {
	enum gate_verdict verdict;
	int http_status;
	const char *code;
	int error_code; /* Twilio's, where it has one */
	const char *message;
};
typedef void gate_fn(void *arg, const struct gate_answer *answer);

/* bulk_id may be "" or NULL. fn is called once, perhaps before this returns. */
void gate_check(struct smsd *s, const char *from, const char *to, const char *bulk_id, gate_fn *fn,
		void *arg);

#endif
