/*
 * The messages' part of the emergency shutdown: no bulk goes on, and no message
 * that is stored to be sent is sent, on any host. What a request to Twilio is on
 * its way for is not sent again.
 */
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/store/result.h"
#include "smsd/api/commands.h"
#include "smsd/messages/messages.h"
#include "smsd/outbox/bulk.h"
#include "smsd/outbox/bulk_states.h"
#include "smsd/outbox/outbox.h"
#include "smsd/outbox/outbox_states.h"

#include <stdlib.h>

enum {
	PAGE = 500,
	ROUNDS_MAX = 1000, /* pages: more are found only while others go on storing */
	FAILURES_SHOWN = 20,
};

struct emergency_stop {
	struct smsd *smsd;
	struct reply reply;
	json_t *failures;
	size_t left, bulks, canceled, stopping, failed;
	unsigned rounds;
};

static void stop_answer(struct emergency_stop *e, const char *error)
{
	if (error != NULL) {
		json_array_append_new(e->failures, json_build("{s:s}", "message", error));
		e->failed++;
	}
	log_warn("emergency shutdown: %zu bulk(s) and %zu message(s) canceled, %zu on their way, %zu failed",
		 e->bulks, e->canceled, e->stopping, e->failed);
	json_t *data = json_build(
		"{s:s, s:s, s:I, s:I, s:I, s:O}", "status", e->failed ? "error" : "success", "message",
		e->failed ? "Not every message could be stopped." : "No stored message will be sent.",
		"canceled", (json_int_t)e->canceled, "stopping", (json_int_t)e->stopping, "bulks",
		(json_int_t)e->bulks, "failures", e->failures);
	e->reply.done(e->reply.arg, e->failed ? 503 : 200, data);
	json_decref(e->failures);
	free(e);
}

static void stop_messages_page(struct emergency_stop *e);

static void messages_step(struct emergency_stop *e)
{
	if (--e->left > 0)
		return;
	if (e->failed > 0)
		stop_answer(e, NULL);
	else
		stop_messages_page(e);
}

static void on_message_canceled(void *arg, enum outbox_cancel_result canceled, json_t *message,
				const char *error)
{
	struct emergency_stop *e = arg;
	e->canceled += canceled == OUTBOX_CANCELED;
	e->stopping += canceled == OUTBOX_CANCEL_PENDING;
	if (canceled == OUTBOX_CANCEL_FAILED && e->failed++ < FAILURES_SHOWN)
		json_array_append_new(e->failures, json_build("{s:s, s:s}", "messageSid",
							      message_field(message, "messageSid"), "message",
							      error ? error : ""));
	messages_step(e);
}

static void on_messages(void *arg, json_t *result, const char *error)
{
	struct emergency_stop *e = arg;
	json_t *found = json_object_get(result, "documents"), *message;
	size_t i;
	if (error == NULL && json_object_get(result, "incomplete") != NULL)
		error = "the database cannot be reached: messages stored there may still be sent";
	if (error != NULL || json_array_size(found) == 0 || e->rounds++ == ROUNDS_MAX) {
		stop_answer(e, error);
		return;
	}
	e->left = 1;
	json_array_foreach (found, i, message) {
		e->left++;
		outbox_cancel(e->smsd, message, on_message_canceled, e);
	}
	messages_step(e);
}

/* Those of all hosts. */
static void stop_messages_page(struct emergency_stop *e)
{
	struct store_query q = {.where = json_build("[[s, s], [s, s, s]]", "dueAt", "present", "state",
						    "!=", outbox_state_name(OUTBOX_STOPPING)),
				.order = "dueAt",
				.ascending = true,
				.limit = PAGE};
	store_find(e->smsd->store, STORE_MESSAGES, &q, on_messages, e);
}

static void bulks_step(struct emergency_stop *e)
{
	if (--e->left == 0)
		stop_messages_page(e);
}

static void on_bulk_canceled(void *arg, json_t *bulk, size_t canceled, const char *error)
{
	struct emergency_stop *e = arg;
	e->bulks += error == NULL;
	e->canceled += canceled;
	if (error != NULL && e->failed++ < FAILURES_SHOWN)
		json_array_append_new(
			e->failures,
			json_build("{s:s, s:s}", "bulkId", message_field(bulk, "bulkId"), "message", error));
	bulks_step(e);
}

static void on_bulks(void *arg, json_t *result, const char *error)
{
	struct emergency_stop *e = arg;
	size_t i;
	json_t *bulk;
	if (error != NULL) {
		stop_answer(e, error);
		return;
	}
	e->left = 1;
	json_array_foreach (json_object_get(result, "documents"), i, bulk) {
		e->left++;
		bulk_cancel(e->smsd, bulk, on_bulk_canceled, e);
	}
	bulks_step(e);
}

void stop_messages(struct smsd *s, json_t *args, struct reply reply)
{
	enum { BULKS_MAX = 10000 };
	(void)args;
	struct emergency_stop *e = xcalloc(1, sizeof *e);
	*e = (struct emergency_stop){.smsd = s, .reply = reply, .failures = json_array()};
	struct store_query q = {.where = json_build("[[s, s, [s, s]]]", "status", "in",
						    bulk_state_name(BULK_STORING),
						    bulk_state_name(BULK_SENDING)),
				.limit = BULKS_MAX};
	store_find(s->store, STORE_BULKS, &q, on_bulks, e);
}
