/*
 * What voiced does instead of serving: for `phony doctor` it looks at the database,
 * Twilio's credentials and the public URL; it writes the store out and reads it in.
 */
#ifndef PHONY_JOBS_H
#define PHONY_JOBS_H

#include "lib/daemon/daemon.h"

/* Each prints its lines and returns an exit code. */
int job_check(struct daemon *d);
int job_export(struct daemon *d);
int job_import(struct daemon *d);

#endif
