/*
 * What voiced does instead of serving: it looks at everything for `phony doctor`
 * (doctor.c); it writes the store out and reads it in.
 */
#ifndef PHONY_VOICED_STORE_COMMANDS_H
#define PHONY_VOICED_STORE_COMMANDS_H

#include "lib/daemon/daemon.h"

/* Each prints its lines and returns an exit code. */
int job_check(struct daemon *d);
/* The same, and Twilio is told what to call for our number. */
int job_fix(struct daemon *d);
int job_export(struct daemon *d);
int job_import(struct daemon *d);

#endif
