/* One message: now, or at a time; taken back before that. */
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/store/result.h"
#include "smsd/api/commands.h"
#include "smsd/api/templates.h"
#include "smsd/messages/messages.h"
#include "smsd/messages/send_request.h"
#include "smsd/outbox/outbox.h"

#include <stdlib.h>
#include <string.h>

struct sending {
	struct smsd *smsd;
	struct reply reply;
	json_t *args; /* what was read points into it */
	struct wish wish;
	const char *to;
	char *body;
};

static void free_sending(struct sending *p)
{
	json_decref(p->args);
	free(p->body);
	free(p);
}

static void on_end(void *arg, const struct outbox_end *end)
{
	struct sending *p = arg;
	const json_t *m = end->document;
	if (end->error_status != 0) {
		p->reply.fail(p->reply.arg, end->error_status, end->code, end->message);
		free_sending(p);
		return;
	}
	const char *sid = message_field(m, "messageSid"), *status = message_field(m, "status");
	const char *kind = json_array_size(p->wish.media_urls) > 0 ? "MMS" : "SMS";
	bool scheduled = strcmp(status, "scheduled") == 0, waits = !twilio_is_message_sid(sid);
	json_t *data = json_build(
		"{s:s, s:s, s:s, s:s, s:s, s:O, s:O, s:O, s:O}", "messageSid", sid, "status", status,
		"toNumber", p->to, "fromNumber", message_field(m, "fromNumber"), "body", p->body, "mediaUrls",
		json_object_get(m, "mediaUrls"), "mediaCount", json_object_get(m, "numMedia"), "encoding",
		json_object_get(m, "encoding"), "segments", json_object_get(m, "segments"));
	if (scheduled)
		json_object_set(data, "sendAt", json_object_get(m, "sendAt"));
	else if (!waits)
		json_object_set(data, "sentAt", json_object_get(m, "updatedAt"));
	if (scheduled)
		answer_success(p->reply, 202, data, "%s to %s is scheduled for %s", kind, p->to,
			       message_field(m, "sendAt"));
	else if (waits)
		answer_success(p->reply, 202, data,
			       "%s to %s is stored and will be sent as soon as Twilio takes it; see "
			       "phony_get_message",
			       kind, p->to);
	else
		answer_success(p->reply, 200, data, "%s sent successfully to %s", kind, p->to);
	free_sending(p);
}

/* The text is there or can be made; template_body is NULL without a template. */
static void with_text(struct sending *p, const char *template_body)
{
	char why[300];
	p->body = wish_body(&p->wish, template_body, p->wish.fields, why, sizeof why);
	if (p->body == NULL) {
		answer_error(p->reply, 400, "invalid", "%s", why);
		free_sending(p);
		return;
	}
	struct outgoing m = {.to = p->to,
			     .from = p->wish.from,
			     .body = p->body,
			     .media_urls = p->wish.media_urls,
			     .send_at = p->wish.send_at};
	outbox_send(p->smsd->outbox, &m, on_end, p);
}

static void on_template(void *arg, const char *template_body)
{
	struct sending *p = arg;
	if (template_body != NULL)
		with_text(p, template_body);
	else
		free_sending(p);
}

void send_message(struct smsd *s, json_t *args, struct reply reply)
{
	struct json_reader r;
	struct sending *p = xcalloc(1, sizeof *p);
	p->smsd = s;
	p->reply = reply;
	p->args = json_incref(args);
	p->to = "";
	json_read_open(&r, args);
	json_read_number(&r, "toNumber", JSON_NEEDED, &p->to);
	wish_read(s, &r, &p->wish, true);
	if (answer_faults(reply, &r))
		free_sending(p);
	else if (p->wish.template_name != NULL)
		template_look_up(s, p->wish.template_name, reply, on_template, p);
	else
		with_text(p, NULL);
}

/* ---- taking one back ---- */

struct canceling {
	struct smsd *smsd;
	struct reply reply;
};

static void on_canceled(void *arg, enum outbox_cancel_result canceled, json_t *message, const char *error)
{
	struct canceling *c = arg;
	switch (canceled) {
	case OUTBOX_CANCELED:
		answer_success(c->reply, 200, message_public(message),
			       "Message canceled; it will not be sent");
		break;
	case OUTBOX_CANCEL_PENDING:
		answer_success(
			c->reply, 202, message_public(message),
			"A request to Twilio is on its way: if Twilio does not have the message, it will "
			"not be sent; see phony_get_message");
		break;
	case OUTBOX_CANCEL_LATE:
		answer_error(c->reply, 409, "not_scheduled",
			     "Only a message that Twilio does not have yet can be canceled.");
		break;
	case OUTBOX_CANCEL_FAILED:
		answer_store_error(c->reply, error);
	}
	free(c);
}

static void on_to_cancel(void *arg, json_t *result, const char *error)
{
	struct canceling *c = arg;
	if (error == NULL && json_is_object(result)) {
		outbox_cancel(c->smsd, result, on_canceled, c);
		return;
	}
	if (!answer_store_error(c->reply, error))
		answer_error(c->reply, 404, "not_found",
			     "No message has this messageSid; phony_list_messages lists them.");
	free(c);
}

void cancel_message(struct smsd *s, json_t *args, struct reply reply)
{
	const char *sid = message_read_sid(args, reply);
	if (sid == NULL)
		return;
	struct canceling *c = xcalloc(1, sizeof *c);
	*c = (struct canceling){s, reply};
	message_look_up(s, sid, on_to_cancel, c);
}
