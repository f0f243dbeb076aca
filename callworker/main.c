/*
 * callworker: one phone call. Started by voiced with its connection as the
 * inherited descriptor "control"; everything else it is told there.
 */
#include "callworker/call/call.h"
#include "callworker/process/crash_report.h"
#include "callworker/process/process_title.h"
#include "callworker/replay.h"
#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/version.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>

static const char usage[] =
	"usage: callworker [--help | --version]\n"
	"       callworker --replay FILE\n\n"
	"One phone call: bridges a Twilio media stream and a voice agent. voiced starts it,\n"
	"with a connected socket handed down by the LISTEN_FDS convention under the name\n"
	"\"control\". To watch one, set CALLWORKER_WRAPPER (strace, gdb, valgrind). A call that was\n"
	"recorded (FLIGHT_RECORDER) runs again with --replay: no network, the same code and\n"
	"times; exits with 1 where what is sent differs, or where the record has no end.\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
						{"version", no_argument, NULL, 'v'},
						{"title-room", required_argument, NULL, 't'},
						{"replay", required_argument, NULL, 'r'},
						{NULL, 0, NULL, 0}};
	int option;
	const char *replay = NULL;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return EXIT_OK;
		}
		if (option == 'v') {
			puts("callworker " PHONY_VERSION);
			return EXIT_OK;
		}
		if (option == 'r')
			replay = optarg;
		else if (option != 't') {
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	panic_without_memory();
	log_open("callworker", LOG_SEV_INFO, false);
	if (replay != NULL)
		return replay_run(replay);
	int control = fd_inherited(DOOR_CONTROL);
	if (control < 0) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	/*
	 * A write that cannot be is an error where it is done, also over a limit on a file's
	 * size. Ctrl-C and the end of a terminal are for the supervisor, which drains.
	 */
	static const int ignored[] = {SIGPIPE, SIGXFSZ, SIGINT, SIGHUP};
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
#ifndef __SANITIZE_ADDRESS__ /* which tells more */
	crash_watch();
#endif
	title_init(argc, argv);
	title_set("callworker: waiting for a call");
	struct ws_loop *loop = ws_loop_new();
	struct call *call = call_new(loop, control);
	ws_loop_run(loop);
	call_free(&call);
	ws_loop_free(&loop);
	return EXIT_OK;
}
