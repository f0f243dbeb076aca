/* Everything off at once: every live call is ended, on whichever host it is served. */
#ifndef PHONY_VOICED_API_EMERGENCY_SHUTDOWN_H
#define PHONY_VOICED_API_EMERGENCY_SHUTDOWN_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

/* -> {status, message, ended, failures: [{callSid, message}], incomplete?: other hosts' calls are not known}
 */
void shutdown_run(struct voiced *v, json_t *args, struct reply reply);

#endif
