/* Finding the voice agent of a call: the URL that its worker opens. */
#ifndef PHONY_VOICED_WORKERS_AGENT_ADDRESS_H
#define PHONY_VOICED_WORKERS_AGENT_ADDRESS_H

#include "voiced/voiced.h"

/*
 * Asks for the agent of the call's present attempt (a signed URL, when there is
 * an API key) and tells the call's worker, now or as soon as it has one.
 */
void agent_prepare(struct voiced *v, struct call *call);

#endif
