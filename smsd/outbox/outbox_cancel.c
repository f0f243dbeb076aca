/* Taking a message back before Twilio has it. */
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "smsd/messages/messages.h"
#include "smsd/outbox/outbox.h"
#include "smsd/outbox/outbox_states.h"

#include <stdlib.h>

enum { ATTEMPTS = 8 }; /* each finds that the state has changed meanwhile */

struct cancel {
	struct smsd *smsd;
	json_t *document;
	enum outbox_action action;
	int attempts;
	outbox_cancel_fn *fn;
	void *arg;
};

static void cancel_attempt(struct cancel *c);

static void cancel_end(struct cancel *c, enum outbox_cancel_result canceled, const char *error)
{
	c->fn(c->arg, canceled, c->document, error);
	json_decref(c->document);
	free(c);
}

static void on_read_again(void *arg, json_t *result, const char *error)
{
	struct cancel *c = arg;
	if (error != NULL) {
		cancel_end(c, OUTBOX_CANCEL_FAILED, error);
	} else if (!json_is_object(result)) {
		cancel_end(c, OUTBOX_CANCEL_LATE, NULL); /* deleted */
	} else {
		json_decref(c->document);
		c->document = json_incref(result);
		cancel_attempt(c);
	}
}

static void on_stored(void *arg, json_t *result, const char *error)
{
	struct cancel *c = arg;
	if (error != NULL) {
		cancel_end(c, OUTBOX_CANCEL_FAILED, error);
	} else if (!json_is_object(result)) {
		store_get(c->smsd->store, STORE_MESSAGES, "requestId",
			  message_field(c->document, "requestId"), on_read_again, c);
	} else {
		json_decref(c->document);
		c->document = json_incref(result);
		message_news(c->smsd, c->document);
		cancel_end(c, c->action == OUTBOX_STOP ? OUTBOX_CANCEL_PENDING : OUTBOX_CANCELED, NULL);
	}
}

static void cancel_attempt(struct cancel *c)
{
	enum outbox_state state = outbox_state_of(c->document);
	c->action = outbox_action(state, OUTBOX_CANCEL);
	if (c->action == OUTBOX_NOTHING) {
		cancel_end(c, OUTBOX_CANCEL_PENDING, NULL);
		return;
	}
	if (c->action == OUTBOX_TOO_LATE || c->attempts++ == ATTEMPTS) {
		cancel_end(c, OUTBOX_CANCEL_LATE, NULL);
		return;
	}
	struct store_change change = {
		.key = message_field(c->document, "requestId"),
		.where = json_build("[[s, s, s]]", "state", "=", outbox_state_name(state)),
		.set = c->action == OUTBOX_STOP
			       ? json_build("{s:s}", "state", outbox_state_name(OUTBOX_STOPPING))
			       : json_build("{s:s, s:o}", "status", "canceled", "updatedAt",
					    message_time(wall_now().ms)),
		.unset = c->action == OUTBOX_STOP ? NULL : json_build("[s, s, s]", "state", "dueAt", "tries"),
		.strict = true};
	store_update(c->smsd->store, STORE_MESSAGES, &change, on_stored, c);
}

void outbox_cancel(struct smsd *s, const json_t *document, outbox_cancel_fn *fn, void *arg)
{
	struct cancel *c = xcalloc(1, sizeof *c);
	*c = (struct cancel){.smsd = s, .document = json_incref((json_t *)document), .fn = fn, .arg = arg};
	cancel_attempt(c);
}
