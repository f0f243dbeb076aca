#include "supervisor/exit_reason.h"

#include "lib/base/exit_codes.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

bool obituary_hopeless(int status)
{
	return WIFEXITED(status) && (WEXITSTATUS(status) == EXIT_USAGE || WEXITSTATUS(status) == EXIT_CONFIG);
}

void obituary_write(const char *name, int status, char *out, size_t size)
{
	if (WIFSIGNALED(status)) {
		snprintf(out, size, "%s was ended by SIG%s%s", name, sigabbrev_np(WTERMSIG(status)),
			 WCOREDUMP(status) ? "; a core was written (coredumpctl gdb, or gdb PROGRAM core)"
					   : "");
		return;
	}
	switch (WEXITSTATUS(status)) {
	case EXIT_OK:
		snprintf(out, size, "%s has ended", name);
		return;
	case EXIT_CONFIG:
		snprintf(out, size,
			 "%s refuses its configuration: mend what its lines above name, then start phony "
			 "again",
			 name);
		return;
	case EXIT_USAGE:
		snprintf(out, size, "%s refuses its command line: are all programs of one version?", name);
		return;
	case 127:
		snprintf(out, size, "%s cannot be executed: is it installed beside phony?", name);
		return;
	default:
		snprintf(out, size, "%s has failed with exit code %d: its lines above say why", name,
			 WEXITSTATUS(status));
	}
}
