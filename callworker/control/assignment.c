#include "callworker/control/assignment.h"

#include "lib/base/json_read.h"
#include "lib/base/log.h"

#include <string.h>

enum { PROMPT_MAX = 768 * 1024, HISTORY_MAX = 1000 };

bool assignment_read(struct assignment *a, json_t *json)
{
	struct json_reader r;
	json_t *schema = NULL;
	*a = (struct assignment){.json = json_incref(json)};
	json_read_open(&r, json);
	json_read_text(&r, "callId", JSON_NEEDED, 1, 64, &a->call_id);
	json_read_int(&r, "attempt", JSON_NEEDED, 0, 1000, &a->attempt);
	json_read_text(&r, "callSid", JSON_NEEDED, 1, 64, &a->call_sid);
	json_read_text(&r, "callType", JSON_NEEDED, 1, 16, &a->call_type);
	json_read_text(&r, "provider", JSON_NEEDED, 1, 32, &a->provider);
	json_read_text(&r, "prompt", JSON_NEEDED, 0, PROMPT_MAX, &a->prompt);
	json_read_text(&r, "voice", JSON_NEEDED, 0, 256, &a->voice);
	json_read_text(&r, "transcriptionModel", JSON_NEEDED, 1, 256, &a->transcription_model);
	json_read_text(&r, "fromNumber", JSON_NEEDED, 0, 64, &a->from_number);
	json_read_text(&r, "toNumber", JSON_NEEDED, 0, 64, &a->to_number);
	json_read_text(&r, "firstMessage", JSON_NEEDED, 0, 1000, &a->first_message);
	json_read_any(&r, "history", JSON_NEEDED, &a->history);
	json_read_text(&r, "transferNumber", JSON_NEEDED, 0, 32, &a->transfer_number);
	json_read_object(&r, "outcomeSchema", JSON_OPTIONAL, &schema);
	json_read_int(&r, "silenceSeconds", JSON_NEEDED, 0, 3600, &a->silence_s);
	json_read_int(&r, "operatorSeconds", JSON_NEEDED, 1, 3600, &a->operator_s);
	json_read_int(&r, "recordingFromMs", JSON_NEEDED, 0, INT64_MAX, &a->recording_from_ms);
	json_read_text(&r, "logLevel", JSON_NEEDED, 1, 16, &a->log_level);
	json_read_text(&r, "logFormat", JSON_NEEDED, 1, 16, &a->log_format);
	json_read_close(&r, JSON_KNOWN_ONLY);
	a->outcome_schema = schema;
	if (!json_read_ok(&r) || !json_is_array(a->history) || json_array_size(a->history) > HISTORY_MAX) {
		log_error("the assignment is wrong: %s", json_read_ok(&r) ? "history" : r.faults);
		return false;
	}
	return true;
}

void assignment_free(struct assignment *a)
{
	json_decref(a->json);
	*a = (struct assignment){0};
}
