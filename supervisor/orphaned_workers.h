/* Callworkers that outlived their voiced and have ended since: kept until the next voiced is told. */
#ifndef PHONY_SUPERVISOR_ORPHANED_WORKERS_H
#define PHONY_SUPERVISOR_ORPHANED_WORKERS_H

#include "proto/peer.h"

#include <sys/types.h>

enum { ORPHANS_MAX = 256 }; /* more are dropped */

/* Zero-initialise. */
struct orphans {
	struct {
		pid_t pid;
		int status; /* as waitpid gives it */
	} list[ORPHANS_MAX];
	unsigned count;
};

void orphans_add(struct orphans *o, pid_t pid, int status);
/* Tells voiced all of them, and forgets them. */
void orphans_tell(struct orphans *o, struct peer *voiced);

#endif
