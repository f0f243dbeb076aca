/* An answering machine has answered, or a fax, or nobody knows: what the call is to do then. */
#ifndef PHONY_VOICED_CALLS_ANSWERING_MACHINE_H
#define PHONY_VOICED_CALLS_ANSWERING_MACHINE_H

#include "voiced/voiced.h"

/* Twilio's MachineDetection for the call's choice; NULL: none is wanted. */
const char *machine_detection(const struct call *call);
/* The verdict, as AnsweredBy has it. */
void machine_answered(struct voiced *v, struct call *call, const char *answered_by);

#endif
