/*
 * What the voice agent is told of a call: a template (voiced/workers/prompt_*.txt, or the
 * operator's own file) with the call's instructions in it.
 */
#ifndef PHONY_VOICED_WORKERS_PROMPT_H
#define PHONY_VOICED_WORKERS_PROMPT_H

#include "voiced/registry/registry.h"

struct prompts;

/* Reads the templates. NULL, with what is wrong in why, when a file cannot be used. */
struct prompts *prompts_open(const struct config *config, char *why, size_t size);
void prompts_free(struct prompts **p);

/* The prompt of a call. Freed by the caller. */
char *prompt_make(const struct prompts *p, const struct call *call);

#endif
