/*
 * The worker's cell: once in it, the process can speak on the descriptors it has
 * or is handed, accept on a listening one that it is handed, and read certificates.
 * It cannot make a socket, connect, bind, execute, fork, trace, signal others, or
 * write a file that it was not handed; nor change the flags or the offset of the
 * log that it shares. Memory, CPU time and descriptors are limited.
 */
#ifndef PHONY_CALLWORKER_PROCESS_SANDBOX_H
#define PHONY_CALLWORKER_PROCESS_SANDBOX_H

#include <stdint.h>

struct sandbox_limits {
	int64_t memory_mb, cpu_s, core_mb;
};

/*
 * For good. Call before the first outside byte, and after everything that needs
 * more: the certificates' context, the resampler's tables. What this kernel
 * cannot do is logged. Returns the version of Landlock in force; 0: none.
 */
int sandbox_enter(const struct sandbox_limits *limits);

#endif
