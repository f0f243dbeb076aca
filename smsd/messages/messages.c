#include "smsd/messages/messages.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/store/result.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Twilio's states, in the order that they may follow each other. */
static const struct {
	const char *name;
	int rank;
} states[] = {
	{"scheduled", 0}, {"accepted", 1},    {"queued", 2},
	{"sending", 3},   {"sent", 4},        {"partially_delivered", 5},
	{"delivered", 6}, {"undelivered", 6}, {"failed", 6},
	{"canceled", 6},  {"read", 7},        {"receiving", 0},
	{"received", 6},
};

const char *const message_statuses[] = {
	"scheduled", "accepted",    "queued", "sending",  "sent", "partially_delivered",
	"delivered", "undelivered", "failed", "canceled", "read", "receiving",
	"received",  NULL};

enum { LAST_RANK = 6 };

static int state_of(const char *status)
{
	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (strcmp(states[i].name, status) == 0)
			return (int)i;
	return -1;
}

bool message_status_known(const char *status)
{
	return state_of(status) >= 0;
}

bool message_status_is_last(const char *status)
{
	int state = state_of(status);
	return state >= 0 && states[state].rank >= LAST_RANK;
}

json_t *message_states_before(const char *status)
{
	json_t *before = json_array();
	int state = state_of(status);
	for (size_t i = 0; state >= 0 && i < sizeof states / sizeof *states; i++)
		if (states[i].rank < states[state].rank)
			json_array_append_new(before, json_text(states[i].name));
	return before;
}

char *message_conversation_id(const char *a, const char *b)
{
	const char *first = strcmp(a, b) <= 0 ? a : b, *second = first == a ? b : a;
	return xasprintf("conv_%s_%s", first + (first[0] == '+'), second + (second[0] == '+'));
}

void message_request_id(char out[REQUEST_ID_SIZE])
{
	unsigned char bytes[16];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		panic("OpenSSL has no random bytes");
	snprintf(out, REQUEST_ID_SIZE, "PM");
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(out + 2 + 2 * i, 3, "%02x", bytes[i]);
}

bool message_is_id(const char *text)
{
	return twilio_is_message_sid(text) ||
	       (strncmp(text, "PM", 2) == 0 && strspn(text + 2, "0123456789abcdef") == 32 &&
		text[34] == '\0');
}

const char *message_read_sid(json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = "";
	json_read_open(&r, args);
	json_read_text(&r, "messageSid", JSON_NEEDED, 1, 64, &sid);
	if (sid[0] != '\0' && !message_is_id(sid))
		json_read_fault(&r, "messageSid must be SM, MM or PM and 32 hexadecimal digits");
	return answer_faults(reply, &r) ? NULL : sid;
}

void message_look_up(struct smsd *s, const char *id, store_fn *fn, void *arg)
{
	store_get(s->store, STORE_MESSAGES, id[0] == 'P' ? "requestId" : "messageSid", id, fn, arg);
}

json_t *message_time(int64_t ms)
{
	return wall_json(ms);
}

const char *message_field(const json_t *document, const char *field)
{
	const char *text = json_string_value(json_object_get(document, field));
	return text ? text : "";
}

json_t *message_public(const json_t *document)
{
	static const char *const fields[] = {
		"messageSid", "requestId", "conversationId", "fromNumber",   "toNumber",   "direction",
		"body",       "status",    "errorCode",      "errorMessage", "numMedia",   "mediaUrls",
		"mediaTypes", "encoding",  "segments",       "tags",         "optOutType", "bulkId",
		"sendAt",     "sentAt",    "createdAt",      "updatedAt"};
	json_t *message = json_object();
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		json_t *value = json_object_get(document, fields[i]);
		if (value != NULL && !json_is_null(value))
			json_object_set(message, fields[i], value);
		if (strcmp(fields[i], "status") == 0 && value != NULL)
			json_object_set(message, "twilioStatus", value);
	}
	return message;
}

void message_news(struct smsd *s, const json_t *document)
{
	static const char *const told[] = {"messageSid", "requestId",  "conversationId", "direction",
					   "status",     "fromNumber", "toNumber",       "bulkId"};
	if (s->adopt == NULL || !json_is_object(document))
		return;
	json_t *item = json_build("{s:s}", "kind", "message");
	for (size_t i = 0; i < sizeof told / sizeof *told; i++)
		if (json_object_get(document, told[i]) != NULL)
			json_object_set(item, told[i], json_object_get(document, told[i]));
	adopt_tell(s->adopt, MSG_NEWS, item);
	json_decref(item);
}

struct advancing {
	struct smsd *smsd;
	store_fn *fn;
	void *arg;
};

static void on_advanced(void *arg, json_t *result, const char *error)
{
	struct advancing *a = arg;
	if (error == NULL && json_object_get(result, "messageSid") != NULL)
		message_news(a->smsd, result);
	if (a->fn != NULL)
		a->fn(a->arg, result, error);
	free(a);
}

void message_advance(struct smsd *s, const char *sid, const char *status, int error_code,
		     const char *error_message, store_fn *fn, void *arg)
{
	int64_t now = wall_now().ms;
	json_t *set = json_build("{s:s, s:o}", "status", status, "updatedAt", message_time(now));
	if (error_code != 0)
		json_object_set_new(set, "errorCode", json_integer(error_code));
	if (error_message[0] != '\0')
		json_object_set_new(set, "errorMessage", json_text(error_message));
	if (strcmp(status, "sent") == 0)
		json_object_set_new(set, "sentAt", message_time(now));
	struct store_change change = {
		.key = sid,
		.field = "messageSid",
		.where = json_build("[[s, s, o]]", "status", "in", message_states_before(status)),
		.set = set,
		.unset = message_status_is_last(status) ? json_build("[s]", "checkAt") : NULL};
	struct advancing *a = xcalloc(1, sizeof *a);
	*a = (struct advancing){s, fn, arg};
	store_update(s->store, STORE_MESSAGES, &change, on_advanced, a);
}
