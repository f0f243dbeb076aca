#include "smsd/outbox/bulk_states.h"

#include <string.h>

/* clang-format off */
static const enum bulk_action table[BULK_STATES][BULK_EVENTS] = {
	/*                  RESUME         STORED          STORE_FAILED      DRAINED       CANCEL */
	[BULK_STORING] =  { BULK_STORE,    BULK_SEND,      BULK_STORE_LATER, BULK_NOTHING, BULK_TAKE_BACK },
	[BULK_SENDING] =  { BULK_NOTHING,  BULK_NOTHING,   BULK_NOTHING,     BULK_FINISH,  BULK_TAKE_BACK },
	[BULK_DONE] =     { BULK_NOTHING,  BULK_NOTHING,   BULK_NOTHING,     BULK_NOTHING, BULK_NOTHING },
	/* Messages may have been stored behind the back of a cancel. */
	[BULK_CANCELED] = { BULK_NOTHING,  BULK_TAKE_BACK, BULK_TAKE_BACK,   BULK_NOTHING, BULK_TAKE_BACK },
};
/* clang-format on */

enum bulk_action bulk_action(enum bulk_state state, enum bulk_event event)
{
	return table[state][event];
}

static const char *const names[BULK_STATES] = {[BULK_STORING] = "storing",
					       [BULK_SENDING] = "sending",
					       [BULK_DONE] = "done",
					       [BULK_CANCELED] = "canceled"};

const char *bulk_state_name(enum bulk_state state)
{
	return names[state];
}

enum bulk_state bulk_state_of(const json_t *bulk)
{
	const char *name = json_string_value(json_object_get(bulk, "status"));
	for (int i = 0; name != NULL && i < BULK_STATES; i++)
		if (strcmp(names[i], name) == 0)
			return (enum bulk_state)i;
	return BULK_DONE;
}
