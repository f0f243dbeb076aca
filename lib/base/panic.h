/*
 * The two ends that are not an error value: panic for a bug of ours (aborts,
 * leaves a core), fatal for a broken installation (exits with a named code).
 * What a peer or a user can cause is never one of these.
 */
#ifndef PHONY_BASE_PANIC_H
#define PHONY_BASE_PANIC_H

#include "lib/base/exit_codes.h"

#include <stddef.h>

_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fatal(enum exit_code code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* From now on jansson ends the process, too, rather than leave something out. */
void panic_without_memory(void);

/* Zeroed memory, or the end of the process: nothing sensible follows without. */
void *xcalloc(size_t count, size_t size);
char *xstrdup(const char *text);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
