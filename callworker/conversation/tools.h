/*
 * The tools an agent can use in a call: send_dtmf, end_call, add_note, and where
 * the call allows them ask_operator, transfer_call, report_outcome. A person's
 * digits go the same way.
 */
#ifndef PHONY_CALLWORKER_CONVERSATION_TOOLS_H
#define PHONY_CALLWORKER_CONVERSATION_TOOLS_H

#include "callworker/audio/playout.h"

#include <jansson.h>

struct tools;

/* How the tools speak to the agent and to voiced. */
struct tools_out {
	/* The agent may be gone: then this does nothing. go_on: it is to speak on. */
	void (*result)(void *arg, const char *id, const char *result, bool is_error, bool go_on);
	/* An event of the call; data is stolen. */
	void (*event)(void *arg, const char *type, json_t *data);
	/* Digits have been played. */
	void (*pressed)(void *arg);
	/* The agent asks a person: result() follows with the answer. Why it cannot, or NULL. */
	const char *(*ask_operator)(void *arg, const char *id, const char *question);
	/* The agent ends the call. Why it cannot, or NULL. */
	const char *(*end)(void *arg);
	/* The call is to go to this number. Why it cannot, or NULL. */
	const char *(*transfer)(void *arg, const char *number, const char *reason);
	/* The outcome, as the schema has it; borrowed. */
	void (*outcome)(void *arg, json_t *outcome);
	void *arg;
};

struct tools_setup {
	const char *transfer_number;  /* "": no transfer */
	const json_t *outcome_schema; /* NULL: none is asked for */
};

/* What setup points to is borrowed. */
struct tools *tools_new(struct playout *playout, const struct tools_setup *setup,
			const struct tools_out *out);
/* After the playout, which may still hold digits. */
void tools_free(struct tools **t);

/* [{name, description, parameters}], for a provider that is told its tools. Owned by the caller. */
json_t *tools_describe(const struct tools *t);

/*
 * The agent calls a tool: result() follows, now or when the digits were played.
 * parameters: NULL when they were no JSON object.
 */
void tools_call(struct tools *t, const char *id, const char *name, json_t *parameters);

/* A person's digits. Why they cannot be sent, or NULL. */
const char *tools_press(struct tools *t, const char *digits);

#endif
