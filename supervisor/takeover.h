/*
 * An instance whose supervisor has died: its daemons finish their calls, and give
 * way to the next instance when that asks; the calls' processes go over to it.
 */
#ifndef PHONY_SUPERVISOR_TAKEOVER_H
#define PHONY_SUPERVISOR_TAKEOVER_H

#include "lib/config/config.h"

/*
 * Asks every daemon of RUN_DIR that has lost its supervisor to step down, and waits
 * until they have ended; *http becomes the TCP port's listening socket, if one of
 * them has it, so that nobody who waits there is turned away. Call with RUN_DIR's lock held, before its
 * sockets are made. False: one of them does not end.
 */
bool predecessor_replace(const struct config *c, int *http);

#endif
