/* How a process is confined, as the kernel tells it: for `phony status`. */
#ifndef PHONY_DAEMON_CONFINEMENT_H
#define PHONY_DAEMON_CONFINEMENT_H

#include <jansson.h>
#include <sys/types.h>

/*
 * {user, noNewPrivileges, seccomp, memoryMb?, cpuSeconds?, files?}, the last ones
 * where they are limited. The caller owns it; an empty object when it is gone.
 */
json_t *cell_of(pid_t pid);

#endif
