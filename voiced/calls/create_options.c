#include "voiced/calls/create_options.h"

#include "lib/base/clock.h"
#include "lib/base/schema.h"
#include "lib/base/text.h"

#include <string.h>

enum {
	RING_MIN_S = 5,
	RING_MAX_S = 600,
	DURATION_MAX_S = 14400,
	SILENCE_MAX_S = 3600,
	RETRIES_MAX = 10,
	RETRY_MIN_S = 10,
	RETRY_MAX_S = 86400,
	RETRY_DEFAULT_S = 300,
	AHEAD_MAX_DAYS = 365,
	SCHEMA_BYTES = 32 * 1024,
};

static void set_int(struct call_options *o, struct json_reader *r, const char *name, int64_t min, int64_t max)
{
	int64_t value = -1;
	json_read_int(r, name, JSON_OPTIONAL, min, max, &value);
	if (value >= 0)
		json_object_set_new(o->more, name, json_integer(value));
}

static void read_outcome_schema(struct call_options *o, struct json_reader *r)
{
	json_t *schema = NULL;
	char why[200];
	json_read_object(r, "outcomeSchema", JSON_OPTIONAL, &schema);
	if (schema == NULL)
		return;
	if (!schema_valid(schema, why, sizeof why))
		json_read_fault(r, "outcomeSchema: %s", why);
	else if (json_dumpb(schema, NULL, 0, JSON_COMPACT) > SCHEMA_BYTES)
		json_read_fault(r, "outcomeSchema is longer than %d bytes", SCHEMA_BYTES);
	json_object_set(o->more, "outcomeSchema", schema);
}

static void read_call_at(struct call_options *o, struct json_reader *r)
{
	int64_t now = wall_now().ms;
	json_read_moment(r, "callAt", JSON_OPTIONAL, &o->call_at_ms);
	if (o->call_at_ms > now + (int64_t)AHEAD_MAX_DAYS * 86400000)
		json_read_fault(r, "callAt is more than a year ahead");
	if (o->call_at_ms != 0 && o->call_at_ms < now - 60000)
		json_read_fault(r, "callAt is in the past");
}

void options_read(const struct config *config, struct json_reader *r, struct call_options *o)
{
	static const char *const detections[] = {"off", "hangup", "message", "continue", NULL};
	const char *detection = NULL, *message = NULL, *transfer = NULL;
	bool record = config->record_calls, flight = false;
	*o = (struct call_options){.more = json_object()};
	set_int(o, r, "ringTimeout", RING_MIN_S, RING_MAX_S);
	set_int(o, r, "maxDuration", 10, DURATION_MAX_S);
	set_int(o, r, "silenceSeconds", 0, SILENCE_MAX_S);
	set_int(o, r, "retries", 0, RETRIES_MAX);
	if (json_object_get(o->more, "retries") != NULL)
		json_object_set_new(o->more, "retryDelay", json_integer(RETRY_DEFAULT_S));
	set_int(o, r, "retryDelay", RETRY_MIN_S, RETRY_MAX_S);
	json_read_word(r, "machineDetection", JSON_OPTIONAL, detections, &detection);
	json_read_text(r, "voicemailMessage", JSON_OPTIONAL, 1, 4000, &message);
	json_read_number(r, "transferNumber", JSON_OPTIONAL, &transfer);
	json_read_bool(r, "record", JSON_OPTIONAL, &record);
	json_read_bool(r, "flightRecorder", JSON_OPTIONAL, &flight);
	json_read_bool(r, "ignoreQuietHours", JSON_OPTIONAL, &o->ignore_hours);
	json_read_text(r, "context", JSON_OPTIONAL, 1, 100, &o->context);
	read_outcome_schema(o, r);
	read_call_at(o, r);
	if (message != NULL && detection == NULL)
		detection = "message";
	if (detection != NULL && strcmp(detection, "off") != 0)
		json_object_set_new(o->more, "machineDetection", json_text(detection));
	if (message != NULL)
		json_object_set_new(o->more, "voicemailMessage", json_text(message));
	if (transfer != NULL)
		json_object_set_new(o->more, "transferNumber", json_text(transfer));
	if (record)
		json_object_set_new(o->more, "record", json_true());
	if (flight)
		json_object_set_new(o->more, "flightRecorder", json_true());
	if (o->ignore_hours)
		json_object_set_new(o->more, "ignoreQuietHours", json_true());
}
