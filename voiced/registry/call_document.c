/* What a call's document says: its fields, the form that a person sees, the streams it has had. */
#include "voiced/registry/registry_inside.h"

#include <string.h>

const char *call_text(const struct call *call, const char *field)
{
	OBJ_CHECK(call, CALL_MAGIC);
	const char *text = json_string_value(json_object_get(call->document, field));
	return text ? text : "";
}

const char *call_id(const struct call *call)
{
	return call_text(call, "callId");
}

const char *call_sid(const struct call *call)
{
	return call_text(call, "callSid");
}

json_t *call_value(const struct call *call, const char *field)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return json_object_get(call->document, field);
}

int64_t call_number(const struct call *call, const char *field)
{
	return json_integer_value(call_value(call, field));
}

int64_t call_age_ms(const struct call *call)
{
	struct wall_ms since = {0};
	wall_parse(call_text(call, "streamedAt"), &since);
	return since.ms > 0 ? wall_now().ms - since.ms : 0;
}

void call_put(struct call *call, const char *field, json_t *value)
{
	OBJ_CHECK(call, CALL_MAGIC);
	if (value != NULL)
		json_object_set_new(call->document, field, value);
	else
		json_object_del(call->document, field);
}

int64_t call_attempt(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return json_integer_value(json_object_get(call->document, "attempt"));
}

void call_set_attempt(struct call *call, int64_t attempt)
{
	OBJ_CHECK(call, CALL_MAGIC);
	json_object_set_new(call->document, "attempt", json_integer(attempt));
}

bool call_is_inbound(const struct call *call)
{
	return strcmp(call_text(call, "callType"), "inbound") == 0;
}

bool call_is_browser(const struct call *call)
{
	return strcmp(call_text(call, "callType"), "browser") == 0;
}

int64_t call_streams(const struct call *call)
{
	return json_array_size(call_value(call, "streams"));
}

bool call_has_streamed(const struct call *call, int64_t attempt)
{
	size_t i;
	json_t *known, *streams = call_value(call, "streams");
	json_array_foreach (streams, i, known)
		if (json_integer_value(known) == attempt)
			return true;
	return false;
}

/* Of the record alone; "sums" stand in figures, with more. */
static const char *const not_shown[] = {
	"callId",           "secret",          "host",       "attempt",
	"streams",          "failure",         "searchText", "streamedAt",
	"transferAsked",    "transferDialled", "taken",      "goOn",
	"recordingTold",    "transfersDone",   "sums",       "costAt",
	"recordingUntilAt",
};

json_t *call_document_public(const json_t *document)
{
	json_t *copy = json_copy((json_t *)document);
	for (size_t i = 0; i < sizeof not_shown / sizeof *not_shown; i++)
		json_object_del(copy, not_shown[i]);
	if (json_is_null(json_object_get(copy, "operatorQuestion")))
		json_object_del(copy, "operatorQuestion");
	/* The contract's names beside those of the record. */
	if (json_object_get(copy, "voiceProvider") != NULL)
		json_object_set(copy, "provider", json_object_get(copy, "voiceProvider"));
	if (json_object_get(copy, "callType") != NULL)
		json_object_set(copy, "direction", json_object_get(copy, "callType"));
	json_object_set_new(copy, "isLive",
			    json_boolean(json_object_get(copy, "endedAt") == NULL &&
					 json_object_get(copy, "dueAt") == NULL));
	return copy;
}

json_t *call_public(const struct call *call)
{
	OBJ_CHECK(call, CALL_MAGIC);
	return call_document_public(call->document);
}
