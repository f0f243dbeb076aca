/* The call that voiced gives to a worker: what voiced/workers/pool.c tells, read and checked. */
#ifndef PHONY_CALLWORKER_CONTROL_ASSIGNMENT_H
#define PHONY_CALLWORKER_CONTROL_ASSIGNMENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct assignment {
	json_t *json; /* the texts are in it */
	const char *call_id, *call_sid, *call_type, *provider;
	const char *prompt, *voice, *from_number, *to_number;
	const char *transcription_model; /* with OpenAI */
	const char *first_message;       /* of a conversation that goes on; "" for none */
	json_t *history;                 /* [{role, content}]: what was said on earlier streams */
	const char *transfer_number;     /* "": the agent may not transfer */
	json_t *outcome_schema;          /* NULL: no outcome is asked for */
	int64_t attempt;
	int64_t silence_s;         /* until the caller is asked whether they are there; 0: never */
	int64_t operator_s;        /* how long a question to a person may stay open */
	int64_t recording_from_ms; /* where in the recording this stream begins */
	const char *log_level, *log_format;
};

/* False: it is wrong, and the log says why. json is taken a reference of. */
bool assignment_read(struct assignment *a, json_t *json);
void assignment_free(struct assignment *a);

#endif
