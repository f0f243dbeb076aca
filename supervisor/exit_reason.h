/* How a child ended, in words that say what to do. */
#ifndef PHONY_SUPERVISOR_EXIT_REASON_H
#define PHONY_SUPERVISOR_EXIT_REASON_H

#include <stdbool.h>
#include <stddef.h>

/* status as of waitpid(2). */
void obituary_write(const char *name, int status, char *out, size_t size);
/* Whether starting it again cannot help: wrong usage or configuration. */
bool obituary_hopeless(int status);

#endif
