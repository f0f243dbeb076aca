/* The tools an agent can use in a call: send_dtmf, end_call. A person's digits go the same way. */
#ifndef PHONY_TOOLS_H
#define PHONY_TOOLS_H

#include "callworker/farewell.h"
#include "callworker/playout.h"

#include <jansson.h>

struct tools;

/* How the tools speak to the agent and to voiced. */
struct tools_out {
	/* The agent may be gone: then this does nothing. */
	void (*result)(void *arg, const char *id, const char *result, bool is_error);
	/* An event of the call; data is stolen. */
	void (*event)(void *arg, const char *type, json_t *data);
	void *arg;
};

struct tools *tools_new(struct playout *playout, struct farewell *farewell, const struct tools_out *out);
/* After the playout, which may still hold digits. */
void tools_free(struct tools **t);

/* The agent calls a tool: result() follows, now or when the digits were played. */
void tools_call(struct tools *t, const char *id, const char *name, json_t *parameters);

/* A person's digits. Why they cannot be sent, or NULL. */
const char *tools_press(struct tools *t, const char *digits);

#endif
