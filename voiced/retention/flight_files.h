/*
 * The flight recorder's files (callworker/process/flight_recorder.h):
 * STATE_DIR/flights/CALLSID.ATTEMPT.jsonl.
 */
#ifndef PHONY_VOICED_RETENTION_FLIGHT_FILES_H
#define PHONY_VOICED_RETENTION_FLIGHT_FILES_H

#include "voiced/voiced.h"

enum { FLIGHTS_LEFT_OUT = -1 };

/* The file of the call's present attempt, for its process; FLIGHTS_LEFT_OUT: none is wished, or can be. */
int flights_open(struct voiced *v, const struct call *call);
void flights_delete(struct voiced *v, const char *call_sid);

#endif
