/* POST /api/doctor: what `phony doctor` finds, for the web pages. */
#ifndef PHONY_VOICED_API_DOCTOR_ENDPOINT_H
#define PHONY_VOICED_API_DOCTOR_ENDPOINT_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

/*
 * Lets a process of its own look (it waits for networks, as this one must not)
 * -> {faults, findings: [{state: "ok", "fault" or "advice", what, words}]}.
 */
void checkup_run(struct voiced *v, json_t *args, struct reply reply);

/* voiced ends: so does the process that looks. */
void checkup_free(struct checkup **c);

#endif
