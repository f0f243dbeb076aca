/*
 * Every listening socket, bound once and kept for as long as phony runs: while
 * a daemon restarts, whoever connects waits in the kernel's backlog.
 */
#ifndef PHONY_DOORS_H
#define PHONY_DOORS_H

#include "lib/base/config.h"

#include <stdbool.h>

struct doors {
	int lock;
	int http, voiced, smsd, mcpd, supervisor; /* -1: not open */
};

/* Takes RUN_DIR for this instance. False with a sentence in why. */
bool doors_lock(struct doors *d, const struct config *config, char *why, size_t size);
/* The sockets in RUN_DIR. */
bool doors_open_local(struct doors *d, const struct config *config, char *why, size_t size);
/* The TCP port; false with errno EADDRINUSE when somebody has it. */
bool doors_open_http(struct doors *d, const struct config *config);
/* Closes everything and removes the sockets. */
void doors_close(struct doors *d, const struct config *config);

#endif
