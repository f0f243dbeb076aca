/* A recorded flight (callworker/process/flight_recorder.h) once more: no network, no time, the same code. */
#ifndef PHONY_CALLWORKER_REPLAY_H
#define PHONY_CALLWORKER_REPLAY_H

/*
 * Runs the record and tells on standard output whether what is sent is what was
 * sent. Returns an exit status (lib/base/exit_codes.h).
 */
int replay_run(const char *path);

#endif
