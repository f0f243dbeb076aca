/* What was said in a call before its stream broke, for the process that goes on with it. */
#ifndef PHONY_VOICED_CALLS_HISTORY_H
#define PHONY_VOICED_CALLS_HISTORY_H

#include "voiced/voiced.h"

/* call is NULL when it has left the register meanwhile, or when voiced ends. */
typedef void history_fn(void *arg, struct call *call, bool ending);

/*
 * Lets the call's last process tell what it has still to tell (one that an
 * earlier voiced had may be on its way to us), then reads the call's turns into
 * call_history. What cannot be read after a few tries is done without.
 */
void history_read(struct voiced *v, const struct call *call, history_fn *fn, void *arg);

#endif
