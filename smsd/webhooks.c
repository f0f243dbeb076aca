/* Twilio's webhooks for messages: signature, what must be there, store, then the answer. */
#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/http/json_api.h"
#include "lib/store/result.h"
#include "lib/twilio/webhook.h"
#include "smsd/api/conversations.h"
#include "smsd/api/routes.h"
#include "smsd/messages/messages.h"
#include "smsd/messages/optouts.h"
#include "smsd/messages/tombstones.h"
#include "smsd/outbox/early_status.h"
#include "smsd/outbox/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A webhook on its way to the store. */
struct hook {
	struct smsd *smsd;
	struct http_request *request;
	struct form form;
	json_t *message;
	char *id;   /* of our own in the callback's URL, or NULL */
	bool named; /* its message was given its SID by this callback */
};

static const char *field(const struct hook *h, const char *name)
{
	const char *value = form_get(&h->form, name);
	return value ? value : "";
}

static void free_hook(struct hook *h)
{
	form_free(&h->form);
	json_decref(h->message);
	free(h->id);
	free(h);
}

static void refuse_store(struct hook *h, const char *error)
{
	log_error("a webhook for message %s could not be stored: %s", field(h, "MessageSid"), error);
	answer_store_error(http_reply_to(h->request), error);
	free_hook(h);
}

/* ---- incoming ---- */

static void reply_empty(struct hook *h)
{
	static const char twiml[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response/>";
	http_reply(h->request, 200, "text/xml; charset=utf-8", twiml, sizeof twiml - 1, NULL);
	free_hook(h);
}

static void on_touched(void *arg, json_t *result, const char *error)
{
	struct hook *h = arg;
	(void)result;
	if (error != NULL)
		refuse_store(h, error);
	else
		reply_empty(h);
}

static void on_stored(void *arg, json_t *result, const char *error)
{
	struct hook *h = arg;
	if (error != NULL) {
		refuse_store(h, error);
	} else if (json_is_true(json_object_get(result, "inserted"))) {
		log_info("message %s from %s is stored", field(h, "MessageSid"), field(h, "From"));
		message_news(h->smsd, h->message);
		conversation_touch(h->smsd, h->message, on_touched, h);
	} else {
		/* A repeat: perhaps because we ended right after the first time. */
		conversation_ensure(h->smsd, json_object_get(result, "document"), on_touched, h);
	}
}

/* The numbered media of an incoming message: MediaUrl0 … MediaUrl9. */
static json_t *numbered(const struct hook *h, const char *prefix)
{
	json_t *list = json_array();
	int count = atoi(field(h, "NumMedia"));
	for (int i = 0; i < count && i < MESSAGE_MEDIA; i++) {
		char name[32];
		snprintf(name, sizeof name, "%s%d", prefix, i);
		if (form_get(&h->form, name) != NULL)
			json_array_append_new(list, json_text(field(h, name)));
	}
	return list;
}

static json_t *incoming_document(const struct hook *h)
{
	json_t *media = numbered(h, "MediaUrl"), *now = message_time(wall_now().ms);
	json_t *m = json_build(
		"{s:s, s:o, s:o, s:s, s:o, s:s, s:I, s:o, s:o, s:I, s:[], s:O, s:o}", "messageSid",
		field(h, "MessageSid"), "fromNumber", json_text(field(h, "From")), "toNumber",
		json_text(field(h, "To")), "direction", "inbound", "body", json_text(field(h, "Body")),
		"status", "received", "numMedia", (json_int_t)json_array_size(media), "mediaUrls", media,
		"mediaTypes", numbered(h, "MediaContentType"), "segments",
		(json_int_t)atoi(field(h, "NumSegments")), "tags", "createdAt", now, "updatedAt", now);
	if (field(h, "OptOutType")[0] != '\0')
		json_object_set_new(m, "optOutType", json_text(field(h, "OptOutType")));
	return m;
}

static void on_conversation(void *arg, json_t *result, const char *error)
{
	struct hook *h = arg;
	json_t *talk = json_array_get(json_object_get(result, "documents"), 0);
	(void)error; /* away: a talk of the two is always right */
	if (talk != NULL) {
		json_object_set(h->message, "conversationId", json_object_get(talk, "conversationId"));
	} else {
		char *id = message_conversation_id(message_field(h->message, "fromNumber"),
						   message_field(h->message, "toNumber"));
		json_object_set_new(h->message, "conversationId", json_text(id));
		free(id);
	}
	store_insert(h->smsd->store, STORE_MESSAGES, h->message, on_stored, h);
}

static void find_conversation(struct hook *h)
{
	conversation_of(h->smsd, message_field(h->message, "fromNumber"),
			message_field(h->message, "toNumber"), on_conversation, h);
}

/* STOP or START: recorded before the message is, but not again for a repeat. */
static void on_known(void *arg, json_t *result, const char *error)
{
	struct hook *h = arg;
	const char *meaning = optout_meaning(field(h, "OptOutType"), field(h, "Body"));
	if (error != NULL || !json_is_object(result))
		optout_record(h->smsd, message_field(h->message, "toNumber"),
			      message_field(h->message, "fromNumber"), strcmp(meaning, "START") == 0, NULL,
			      NULL);
	find_conversation(h);
}

/* A repeat of a message that was deleted meanwhile does not bring it back. */
static void on_tombstone(void *arg, json_t *result, const char *error)
{
	struct hook *h = arg;
	if (error == NULL && json_is_object(result))
		reply_empty(h);
	else if (optout_meaning(field(h, "OptOutType"), field(h, "Body")) != NULL)
		store_get(h->smsd->store, STORE_MESSAGES, "messageSid", field(h, "MessageSid"), on_known, h);
	else
		find_conversation(h);
}

static void on_incoming(struct hook *h)
{
	h->message = incoming_document(h);
	tombstone_look(h->smsd, field(h, "MessageSid"), on_tombstone, h);
}

/* ---- status ---- */

static void on_told(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct hook *h = arg;
	if (error != NULL) {
		refuse_store(h, error);
		return;
	}
	http_reply(h->request, 204, NULL, NULL, 0, NULL);
	free_hook(h);
}

static void advance(struct hook *h, store_fn *fn)
{
	const char *code_text = field(h, "ErrorCode"), *words = field(h, "ErrorMessage");
	int code = atoi(code_text);
	message_advance(h->smsd, field(h, "MessageSid"), field(h, "MessageStatus"), code,
			words[0] ? words
			: code   ? twilio_advice(code)
				 : "",
			fn, h);
}

static void on_early_stored(void *arg, json_t *result, const char *error)
{
	struct hook *h = arg;
	(void)result;
	if (error != NULL)
		refuse_store(h, error);
	else
		advance(h, on_told); /* it may have got its name just now */
}

/* A message that has not got its name yet, or is none of ours: kept until it has. */
static void keep_early(struct hook *h)
{
	early_keep(h->smsd, field(h, "MessageSid"), field(h, "MessageStatus"), atoi(field(h, "ErrorCode")),
		   field(h, "ErrorMessage"), on_early_stored, h);
}

static void on_advanced(void *arg, json_t *result, const char *error);

static void on_named(void *arg, json_t *result, const char *error)
{
	(void)result;
	struct hook *h = arg;
	h->named = true;
	if (error != NULL)
		refuse_store(h, error);
	else
		advance(h, on_advanced);
}

static void on_looked_up(void *arg, json_t *result, const char *error)
{
	struct hook *h = arg;
	if (error == NULL && json_is_object(result))
		advance(h, on_told); /* named between the two questions, or further already */
	else if (!h->named && h->id != NULL && message_is_id(h->id))
		outbox_named(h->smsd->outbox, h->id, field(h, "MessageSid"), on_named, h);
	else
		keep_early(h);
}

static void on_advanced(void *arg, json_t *result, const char *error)
{
	struct hook *h = arg;
	if (error != NULL)
		refuse_store(h, error);
	else if (json_is_object(result))
		on_told(h, NULL, NULL);
	else
		store_get(h->smsd->store, STORE_MESSAGES, "messageSid", field(h, "MessageSid"), on_looked_up,
			  h);
}

static void on_status(struct hook *h)
{
	const char *status = field(h, "MessageStatus");
	if (message_status_known(status)) {
		advance(h, on_advanced);
		return;
	}
	log_warn("Twilio tells an unknown status of message %s: %.*s", field(h, "MessageSid"),
		 TEXT_CUT(status, 40));
	http_reply(h->request, 204, NULL, NULL, 0, NULL);
	free_hook(h);
}

/* ---- both ---- */

static const struct {
	const char *path;
	void (*handle)(struct hook *h);
	const char *needed[3];
} hooks[] = {
	{"/sms/incoming", on_incoming, {"From", "To", NULL}},
	{"/sms/status", on_status, {"MessageStatus", NULL}},
};

/* What is missing or wrong, in words; NULL when nothing is. */
static const char *fault_of(const struct hook *h, const char *const *needed, char *why, size_t size)
{
	const char *sid = field(h, "MessageSid");
	if (sid[0] == '\0' || !twilio_is_message_sid(sid)) {
		text_printf(why, size, "MessageSid is missing or no SID of a message.");
		return why;
	}
	for (; *needed != NULL; needed++)
		if (field(h, *needed)[0] == '\0' || strlen(field(h, *needed)) > 256) {
			text_printf(why, size, "%s is missing or too long.", *needed);
			return why;
		}
	return NULL;
}

static void read_id(struct hook *h)
{
	struct form query;
	const char *text = http_query(h->request);
	form_parse(text, strlen(text), &query);
	const char *id = form_get(&query, "id");
	h->id = id ? xstrdup(id) : NULL;
	form_free(&query);
}

static void handle(struct smsd *s, struct http_request *r, size_t i)
{
	char why[120];
	struct hook *h = xcalloc(1, sizeof *h);
	h->smsd = s;
	h->request = r;
	if (!twilio_webhook_read(r, s->config->twilio_auth_token, s->config->public_url, &h->form)) {
		free(h);
	} else if (fault_of(h, hooks[i].needed, why, sizeof why) != NULL) {
		http_reply_error(r, 400, "invalid", why);
		free_hook(h);
	} else {
		read_id(h);
		hooks[i].handle(h);
	}
}

bool routes_twilio(struct smsd *s, struct http_request *r)
{
	for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++)
		if (strcmp(http_path(r), hooks[i].path) == 0) {
			handle(s, r, i);
			return true;
		}
	return false;
}
