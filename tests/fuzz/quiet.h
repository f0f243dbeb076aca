/* For the fuzzers of a whole call, which would tell of each. */
#ifndef PHONY_FUZZ_QUIET_H
#define PHONY_FUZZ_QUIET_H

#include "lib/base/log.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	log_open("callworker", LOG_SEV_ERROR, false);
	return freopen("/dev/null", "w", stdout) == NULL;
}

#endif
