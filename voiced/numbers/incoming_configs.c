#include "voiced/numbers/incoming_configs.h"

#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/result.h"
#include "voiced/numbers/numbers.h"
#include "voiced/shared/crud.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 100, TEXT_BYTES = 64 * 1024, WORDS_BYTES = 4096, BLOCKED_MAX = 200 };
enum { VOICEMAIL_DEFAULT_S = 120, VOICEMAIL_MAX_S = 3600 };

static const char *const fields[] = {"phoneNumber",
				     "name",
				     "systemInstructions",
				     "callInstructions",
				     "voiceProvider",
				     "elevenLabsAgentId",
				     "elevenLabsVoiceId",
				     "voice",
				     "enabled",
				     "messageOnly",
				     "hangupMessage",
				     "voicemailEnabled",
				     "voicemailGreeting",
				     "voicemailMaxLength",
				     "blockedCallers",
				     "transferNumber",
				     "record",
				     "createdAt",
				     "updatedAt",
				     NULL};
static const char *const providers[] = {"openai", "elevenlabs", NULL};

static const struct record_kind kind = {STORE_INCOMING_CONFIGS, "incoming config", "configs",
					"phony_list_incoming_configs lists them", fields};

static void set_text(json_t *document, struct json_reader *r, const char *name, const char *as, size_t min,
		     size_t max)
{
	const char *text = NULL;
	json_read_text(r, name, JSON_OPTIONAL, min, max, &text);
	if (text != NULL)
		json_object_set_new(document, as, json_text(text));
}

static void set_bool(json_t *document, struct json_reader *r, const char *name)
{
	bool value = false;
	if (!json_read_given(r, name))
		return;
	json_read_bool(r, name, JSON_OPTIONAL, &value);
	json_object_set_new(document, name, json_boolean(value));
}

/* Reads what is given into a document of its own, the number included; owned by the caller. */
static json_t *read_fields(struct json_reader *r, json_t *args, bool *set_webhook)
{
	const char *number = "", *provider = NULL, *transfer = NULL;
	json_t *document = json_object(), *blocked = NULL;
	int64_t length = 0;
	json_read_open(r, args);
	json_read_number(r, "phoneNumber", JSON_NEEDED, &number);
	json_object_set_new(document, "phoneNumber", json_text(number));
	set_text(document, r, "name", "name", 0, NAME_BYTES);
	set_text(document, r, "systemInstructions", "systemInstructions", 0, TEXT_BYTES);
	set_text(document, r, "callInstructions", "callInstructions", 0, TEXT_BYTES);
	set_text(document, r, "elevenLabsAgentId", "elevenLabsAgentId", 0, 128);
	set_text(document, r, "elevenLabsVoiceId", "elevenLabsVoiceId", 0, 128);
	json_read_word(r, "provider", JSON_OPTIONAL, providers, &provider);
	if (provider != NULL)
		json_object_set_new(document, "voiceProvider", json_text(provider));
	set_text(document, r, "voice", "voice", 0, 128);
	set_text(document, r, "hangupMessage", "hangupMessage", 0, WORDS_BYTES);
	set_text(document, r, "voicemailGreeting", "voicemailGreeting", 0, WORDS_BYTES);
	set_bool(document, r, "enabled");
	set_bool(document, r, "messageOnly");
	set_bool(document, r, "voicemailEnabled");
	set_bool(document, r, "record");
	json_read_int(r, "voicemailMaxLength", JSON_OPTIONAL, 1, VOICEMAIL_MAX_S, &length);
	if (length > 0)
		json_object_set_new(document, "voicemailMaxLength", json_integer(length));
	json_read_number(r, "transferNumber", JSON_OPTIONAL, &transfer);
	if (transfer != NULL)
		json_object_set_new(document, "transferNumber", json_text(transfer));
	json_read_texts(r, "blockedCallers", JSON_OPTIONAL, 0, BLOCKED_MAX, 64, &blocked);
	if (blocked != NULL)
		json_object_set(document, "blockedCallers", blocked);
	json_read_bool(r, "setWebhook", JSON_OPTIONAL, set_webhook);
	return document;
}

void handlers_list(struct voiced *v, json_t *args, struct reply reply)
{
	const char *cursor;
	int64_t limit;
	if (answer_page(reply, args, &limit, &cursor))
		records_list(v, &kind, json_array(), limit, cursor, reply);
}

static const char *read_number(struct json_reader *r, json_t *args)
{
	const char *number = "";
	json_read_open(r, args);
	json_read_number(r, "phoneNumber", JSON_NEEDED, &number);
	return number;
}

void handlers_get(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *number = read_number(&r, args);
	if (!answer_faults(reply, &r))
		records_get(v, &kind, number, reply);
}

void handlers_delete(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *number = read_number(&r, args);
	if (!answer_faults(reply, &r))
		records_remove(v, &kind, number, reply);
}

/* ---- creating and changing: the number's webhook first, when that is wanted ---- */

struct saving {
	struct voiced *v;
	struct reply reply;
	json_t *document;
	bool create;
};

static void save(struct saving *s)
{
	char *number = xstrdup(json_string_value(json_object_get(s->document, "phoneNumber")));
	if (s->create)
		records_create(s->v, &kind, s->document, s->reply);
	else
		records_update(s->v, &kind, number, s->document, s->reply);
	free(number);
	free(s);
}

static void on_webhook(void *arg, int http_status, const char *error)
{
	struct saving *s = arg;
	if (error == NULL) {
		save(s);
		return;
	}
	s->reply.fail(s->reply.arg, http_status, "twilio", error);
	json_decref(s->document);
	free(s);
}

static void save_or_refuse(struct voiced *v, json_t *document, bool create, bool set_webhook,
			   struct json_reader *r, struct reply reply)
{
	if (answer_faults(reply, r)) {
		json_decref(document);
		return;
	}
	struct saving *s = xcalloc(1, sizeof *s);
	*s = (struct saving){v, reply, document, create};
	if (set_webhook)
		numbers_set_webhook(v, json_string_value(json_object_get(document, "phoneNumber")),
				    on_webhook, s);
	else
		save(s);
}

void handlers_create(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	bool set_webhook = false;
	json_t *document = read_fields(&r, args, &set_webhook);
	if (json_object_get(document, "enabled") == NULL)
		json_object_set_new(document, "enabled", json_true());
	if (json_object_get(document, "voicemailMaxLength") == NULL)
		json_object_set_new(document, "voicemailMaxLength", json_integer(VOICEMAIL_DEFAULT_S));
	save_or_refuse(v, document, true, set_webhook, &r, reply);
}

void handlers_update(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	bool set_webhook = false;
	json_t *document = read_fields(&r, args, &set_webhook);
	if (json_read_ok(&r) && json_object_size(document) == 1 && !set_webhook)
		json_read_fault(&r, "give at least one field to change");
	save_or_refuse(v, document, false, set_webhook, &r, reply);
}

void handlers_look_up(struct voiced *v, const char *number, store_fn *fn, void *arg)
{
	store_get(v->store, STORE_INCOMING_CONFIGS, "phoneNumber", number, fn, arg);
}
