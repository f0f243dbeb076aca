/*
 * A message that this process is at work on, or that somebody waits for: the
 * inside of the outbox, shared by its files. outbox_task.c stores what has happened,
 * after the table of outbox_states.h; outbox_delivery.c asks Twilio and looks there;
 * outbox.c says whose turn it is.
 */
#ifndef PHONY_SMSD_OUTBOX_OUTBOX_TASK_H
#define PHONY_SMSD_OUTBOX_OUTBOX_TASK_H

#include "smsd/messages/messages.h"
#include "smsd/outbox/outbox.h"
#include "smsd/outbox/outbox_states.h"

#include <sys/queue.h>

enum {
	IN_FLIGHT = 16,        /* requests to Twilio at once */
	LEASE_MS = 60000,      /* a message is its host's for so long */
	ASK_WITHIN_MS = 10000, /* after its claim; a request that would begin later is not made */
	OPTED_OUT = 21610,
};

struct task {
	LIST_ENTRY(task) next;
	struct outbox *outbox;
	char request_id[REQUEST_ID_SIZE];
	json_t *document;
	outbox_fn *fn; /* NULL: nobody waits (any more) */
	void *arg;
	bool working; /* asked for or looked for, now or soon */
	struct mono_us claimed;
	/* Wall clock: no request for it can be alive at Twilio after this; and when the look was begun. */
	int64_t quiet_ms, looked_ms;
	char *named; /* the SID that is just being given to it */
	struct timer look, answer;
};

struct outbox {
	unsigned magic;
	struct smsd *smsd;
	LIST_HEAD(, task) tasks;
	unsigned busy; /* requests on their way, or about to be */
	bool pumping, draining;
	bool uncertain;              /* a message may be this host's without a task for it */
	struct mono_us paused_until; /* Twilio wants to be left alone */
	struct timer pump;
};

/* document is stolen. fn (NULL: nobody waits) is called once, at the latest after some seconds. */
struct task *task_new(struct outbox *o, const char *request_id, json_t *document, outbox_fn *fn, void *arg);
struct task *task_find(struct outbox *o, const char *request_id);
/* Takes what a store's verb gave, if that is the document. */
void task_take_document(struct task *t, json_t *result);
/* Tells whoever waits what became of it. */
void task_answer(struct task *t, int error_status, const char *code, const char *message);
void task_free(struct task *t);
/* Answers with what is known, and frees. */
void task_end(struct task *t);

/* What an event brings; texts are copied. */
struct outbox_fact {
	const char *sid, *status; /* OUTBOX_ACCEPTED */
	int http_status;          /* what whoever waits is answered, with code and message */
	const char *code;         /* lives for ever */
	int error_code;           /* Twilio's, or 0 */
	const char *message;
	int64_t due_ms; /* of the next try */
};
/*
 * Something has happened to the message: what the table says for the state that
 * it is in is stored, and done. Ends the task, unless there is more to do.
 */
void task_happened(struct task *t, enum outbox_event event, const struct outbox_fact *fact);

/* The outbox has stored that Twilio is being asked, and the gate is open; busy counts it. */
void delivery_ask(struct task *t);
/* Looks at Twilio, in so many milliseconds, whether the message is there. */
void delivery_look(struct task *t, int ms);
/* Whether a message is still to be sent, and this host's to send. */
bool delivery_is_ours(const struct outbox *o, const json_t *document);

/* A change was not answered well (NULL: it was), and may be made all the same; unless it was refused for
 * good. */
void outbox_doubt(struct outbox *o, const char *error);
/* A request to Twilio has ended, or will not be made: the next may have its turn. */
void outbox_request_ended(struct outbox *o);

#endif
