/*
 * One of each daemon in RUN_DIR, never two: a file NAME.lock that the kernel lets
 * go of when its holder ends, however that happens.
 */
#ifndef PHONY_DAEMON_LOCK_FILE_H
#define PHONY_DAEMON_LOCK_FILE_H

#include "lib/config/config.h"

#include <stdbool.h>

/* The place of the daemon of this name: a descriptor to keep. -1: another has it, and the log says so. */
int daemon_take_place(const struct config *c, const char *name);

/* Whether somebody has it. */
bool daemon_is_there(const struct config *c, const char *name);

#endif
