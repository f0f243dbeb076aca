/* What phony_create_call may be told beyond numbers and instructions: read, checked, kept with the call. */
#ifndef PHONY_VOICED_CALLS_CREATE_OPTIONS_H
#define PHONY_VOICED_CALLS_CREATE_OPTIONS_H

#include "lib/base/json_read.h"
#include "lib/config/config.h"

struct call_options {
	json_t *more;        /* members of the call's document; owned by the caller */
	const char *context; /* a template's name in place of systemInstructions, or NULL */
	int64_t call_at_ms;  /* 0: now */
	bool ignore_hours;
};

/* Faults go to the reader. */
void options_read(const struct config *config, struct json_reader *r, struct call_options *o);

#endif
