#include "callworker/process/crash_report.h"

#include "lib/base/text.h"

#include <execinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FRAMES = 48, STACK_BYTES = 64 * 1024 };

static char prefix[96] = "callworker";

void crash_set_call(const char *call_sid)
{
	snprintf(prefix, sizeof prefix, "callworker[%d] %.*s", (int)getpid(), TEXT_CUT(call_sid, 40));
}

/* Nobody may be reading any more: dying is not to wait for that. */
static bool somebody_reads(void)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	return poll(&p, 1, 0) == 1;
}

static void say(const char *text)
{
	ssize_t n = somebody_reads() ? write(STDERR_FILENO, text, strlen(text)) : 0;
	(void)n; /* there is nobody left to tell */
}

/* Only what may be called in a signal's handler; backtrace(3) may, once it has been loaded. */
static void on_crash(int number)
{
	void *frames[FRAMES];
	int count = backtrace(frames, FRAMES);
	say(prefix);
	say(": crashed by SIG");
	say(sigabbrev_np(number));
	say("; addr2line -e callworker tells the lines\n");
	for (int i = 0; i < count && somebody_reads(); i++) {
		say(prefix);
		say(": at ");
		backtrace_symbols_fd(&frames[i], 1, STDERR_FILENO);
	}
	raise(number); /* with its default action, once this returns */
}

void crash_watch(void)
{
	static char stack[STACK_BYTES]; /* the process's own may be what has run out */
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
	void *frame;
	stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
	struct sigaction action = {.sa_handler = on_crash, .sa_flags = (int)(SA_ONSTACK | SA_RESETHAND)};
	backtrace(&frame, 1);
	sigaltstack(&other, NULL);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
}
