/* What there is to read of calls: the list, one with all that was said, its events, who speaks just now. */
#ifndef PHONY_VOICED_API_CALL_QUERIES_H
#define PHONY_VOICED_API_CALL_QUERIES_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

void reading_list(struct voiced *v, json_t *args, struct reply reply);
void reading_call(struct voiced *v, json_t *args, struct reply reply);
void reading_transcript(struct voiced *v, json_t *args, struct reply reply);
void reading_events(struct voiced *v, json_t *args, struct reply reply);
void reading_instructions(struct voiced *v, json_t *args, struct reply reply);
void reading_levels(struct voiced *v, json_t *args, struct reply reply);

#endif
