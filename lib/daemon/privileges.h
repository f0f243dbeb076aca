/*
 * Started as root, the daemons run as another user: RUN_AS, else the user "phony".
 * There is no other default: a user that other services share is no boundary. The
 * supervisor stays root: it binds the port, makes the two folders and starts
 * programs; it reads no byte from outside.
 *
 * STATE_DIR and RUN_DIR belong to the daemons' user, who may put anything there.
 * So root itself does nothing below them: it opens, makes, locks and removes files
 * there with that user's rights, between privileges_as_user and privileges_as_root.
 */
#ifndef PHONY_DAEMON_PRIVILEGES_H
#define PHONY_DAEMON_PRIVILEGES_H

#include "lib/config/config.h"

/* Whether there is a user for the daemons, if root starts them. False: why says what to do. */
bool privileges_check(const struct config *c, char *why, size_t size);

/*
 * Gives root away for good, and with it the right to gain any by executing a
 * program. Started as another user, only the latter. False: why says what to do.
 */
bool privileges_drop(const struct config *c, char *why, size_t size);

/*
 * Makes STATE_DIR and RUN_DIR (mode 0700) where they are missing, as folders of the
 * daemons' user. Root makes them only where nobody else may change a folder above,
 * and gives away only a folder that it has made, or an empty one of its own. False:
 * why says what to do.
 */
bool privileges_make_dirs(const struct config *c, char *why, size_t size);

/* As root: files are the daemons' user's from here on. As another user: nothing changes. */
void privileges_as_user(const struct config *c);
/* Ends it. */
void privileges_as_root(void);

#endif
