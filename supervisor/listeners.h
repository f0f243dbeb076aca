/*
 * Every listening socket, bound once and kept for as long as phony runs: while
 * a daemon restarts, whoever connects waits in the kernel's backlog.
 */
#ifndef PHONY_SUPERVISOR_LISTENERS_H
#define PHONY_SUPERVISOR_LISTENERS_H

#include "lib/config/config.h"

#include <stdbool.h>

struct doors {
	int lock;
	int http, voiced, smsd, mcpd, supervisor; /* -1: not open */
	int next_http;                            /* takes http's place in the next program; -1: http stays */
	int checked;                              /* settings for the next program (DOOR_CHECKED) */
};

#define DOORS_NONE ((struct doors){-1, -1, -1, -1, -1, -1, -1, -1})

/*
 * Those of the program that became this one by an upgrade; false: there are none.
 * After it doors_lock and doors_open_local are not needed.
 */
bool doors_inherited(struct doors *d);
/*
 * Executes the program with the doors open in it (inherit.h). Returns on failure
 * only, with errno; this program's own descriptors are not to be used any more then.
 */
void doors_exec(struct doors *d, const char *path, const char *const argv[]);

/* Takes RUN_DIR for this instance. False with a sentence in why. */
bool doors_lock(struct doors *d, const struct config *config, char *why, size_t size);
/* The sockets in RUN_DIR. */
bool doors_open_local(struct doors *d, const struct config *config, char *why, size_t size);
/*
 * The TCP port, unless it is open already or a service manager hands it down as
 * "http"; false with errno EADDRINUSE when somebody has it.
 */
bool doors_open_http(struct doors *d, const struct config *config);
/*
 * The TCP port that other settings ask for, if it is not the one that is open:
 * bound beside it, for doors_exec. False: why says what is wrong, and nothing has changed.
 */
bool doors_open_next(struct doors *d, const struct config *next, char *why, size_t size);
/* Closes everything and removes the sockets. */
void doors_close(struct doors *d, const struct config *config);

#endif
