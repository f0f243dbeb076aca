/*
 * Where the answer to a verb goes: to an HTTP request or to another process,
 * which the verb need not know. Exactly one of the two functions is called, once.
 */
#ifndef PHONY_BASE_REPLY_H
#define PHONY_BASE_REPLY_H

#include <jansson.h>

struct reply {
	/* body is stolen. */
	void (*done)(void *arg, int http_status, json_t *body);
	void (*fail)(void *arg, int http_status, const char *code, const char *message);
	void *arg;
};

#endif
