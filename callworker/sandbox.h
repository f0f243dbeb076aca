/*
 * The worker's cell: once in it, the process can speak on the descriptors it
 * has, connect to voiced and to its provider, and read certificates. It cannot
 * execute, fork, trace, signal others, listen, or write a file that it was not
 * handed; memory, CPU time and descriptors are limited.
 */
#ifndef PHONY_SANDBOX_H
#define PHONY_SANDBOX_H

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
