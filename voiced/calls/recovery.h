/* The live calls of before: of an earlier voiced, whose workers went on meanwhile. */
#ifndef PHONY_VOICED_CALLS_RECOVERY_H
#define PHONY_VOICED_CALLS_RECOVERY_H

#include "voiced/voiced.h"

#include <stdbool.h>

/*
 * This host's live calls, from the store into the register; runs the loop
 * meanwhile. False: the log says why not.
 */
bool restore_calls(struct voiced *v);

/* Goes on with them, once those who look for us can find us. */
void restore_go_on(struct voiced *v);

/* voiced ends: what could not be stored of the calls is asked of the store once more. */
void restore_leave(struct voiced *v);

#endif
