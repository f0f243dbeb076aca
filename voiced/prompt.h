/* What the voice agent is told of a call. */
#ifndef PHONY_PROMPT_H
#define PHONY_PROMPT_H

#include "voiced/calls.h"

/* The system's and the call's instructions, and what was said before a stream broke. Freed by the caller. */
char *prompt_make(const struct call *call);

/* The turns of a call as the text that call_set_history keeps. Freed by the caller. */
char *prompt_history(json_t *turns);

#endif
