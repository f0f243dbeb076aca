/* Exit codes of every program, and what the supervisor makes of them. */
#ifndef PHONY_BASE_EXIT_CODES_H
#define PHONY_BASE_EXIT_CODES_H

enum exit_code {
	EXIT_OK = 0,      /* done; a daemon that was told to end: not started again */
	EXIT_FAILED = 1,  /* something outside failed: started again, with a growing delay */
	EXIT_USAGE = 2,   /* wrong command line: starting again cannot help */
	EXIT_CONFIG = 78, /* wrong configuration (sysexits.h, EX_CONFIG): likewise */
};

#endif
