#include "smsd/outbox/outbox_states.h"

#include <stddef.h>
#include <string.h>

#define ASK OUTBOX_ASK
#define LOOK OUTBOX_LOOK
#define NAME OUTBOX_NAME
#define FAIL OUTBOX_FAIL
#define WAIT OUTBOX_WAIT
#define OUT OUTBOX_TAKE_OUT
#define STOP OUTBOX_STOP
#define LATE OUTBOX_TOO_LATE
#define NONE OUTBOX_NOTHING

/* clang-format off */
static const enum outbox_action table[OUTBOX_STATES][OUTBOX_EVENTS] = {
	/*                    DUE   ACCEPTED REFUSED FORBIDDEN POSTPONED UNCLEAR ABSENT EXPIRED WITHDRAWN CANCEL */
	[OUTBOX_WAITING] =  { ASK,  NAME,    NONE,   NONE,     NONE,     NONE,   NONE,  NONE,   OUT,      OUT },
	[OUTBOX_ASKING] =   { LOOK, NAME,    FAIL,   FAIL,     WAIT,     LOOK,   WAIT,  FAIL,   OUT,      STOP },
	[OUTBOX_STOPPING] = { LOOK, NAME,    FAIL,   OUT,      OUT,      LOOK,   OUT,   OUT,    OUT,      NONE },
	/* A message that was given up, or canceled, may turn out to have been accepted. */
	[OUTBOX_SETTLED] =  { NONE, NAME,    NONE,   NONE,     NONE,     NONE,   NONE,  NONE,   NONE,     LATE },
};
/* clang-format on */

enum outbox_action outbox_action(enum outbox_state state, enum outbox_event event)
{
	return table[state][event];
}

static const char *const names[OUTBOX_STATES] = {
	[OUTBOX_WAITING] = "waiting", [OUTBOX_ASKING] = "asking", [OUTBOX_STOPPING] = "stopping"};

const char *outbox_state_name(enum outbox_state state)
{
	return names[state];
}

enum outbox_state outbox_state_of(const json_t *document)
{
	const char *name = json_string_value(json_object_get(document, "state"));
	for (int i = 0; name != NULL && i < OUTBOX_SETTLED; i++)
		if (strcmp(names[i], name) == 0)
			return (enum outbox_state)i;
	return OUTBOX_SETTLED;
}
