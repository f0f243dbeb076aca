/*
 * Started as root, the daemons run as somebody else: RUN_AS, else the user
 * "phony" where there is one, else "nobody". The supervisor stays root: it
 * binds, owns the folders' making, and starts programs; it reads no outside byte.
 */
#ifndef PHONY_PRIVILEGES_H
#define PHONY_PRIVILEGES_H

#include "lib/base/config.h"

/*
 * Gives root away for good, and with it the right to gain any by executing a
 * program. Started as another user, only the latter. False: why says what to do.
 */
bool privileges_drop(const struct config *c, char *why, size_t size);

/*
 * Makes STATE_DIR and RUN_DIR (mode 0700) and, as root, gives what root has made
 * in them to the daemons' user. False: why says what to do.
 */
bool privileges_make_dirs(const struct config *c, char *why, size_t size);

/* As root: this file is the daemons'. */
void privileges_give(const struct config *c, const char *path);

#endif
