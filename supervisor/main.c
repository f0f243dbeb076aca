/* phony: the command line. */
#include "lib/base/exit_codes.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/version.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/spawn.h"
#include "supervisor/commands.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
	"usage: phony run    [--config FILE]           everything, in the foreground\n"
	"       phony mcp    [--config FILE]           MCP on standard input and output\n"
	"       phony status [--config FILE] [--json]  what runs\n"
	"       phony stats  [--config FILE] [--json]  the calls so far, in numbers\n"
	"       phony upgrade [--config FILE]          new programs and settings, without hanging up\n"
	"       phony doctor [--config FILE] [--fix]   what is wrong, and how to mend it\n"
	"       phony export [--config FILE]           the database as JSON lines, to standard output\n"
	"       phony import [--config FILE]           such lines, from standard input\n"
	"       phony debug CALLSID [strace|gdb]       attaches to one live call's process\n"
	"       phony mcp-config CLIENT [--config FILE] the entry for claude-desktop, claude-code, cursor, "
	"vscode, registry\n"
	"       phony --help | --version\n";

/* One process for each client: it speaks MCP itself, and brings up the rest when it needs it. */
int command_mcp(const struct command_options *o)
{
	char *path = spawn_sibling("mcpd");
	const char *const argv[] = {"mcpd", "--stdio", o->config_file ? "--config" : NULL, o->config_file,
				    NULL};
	execv(path, (char *const *)argv);
	fprintf(stderr, "phony: %s cannot be executed: %s\n", path, strerror(errno));
	free(path);
	return EXIT_FAILED;
}

enum option_bit {
	OPTION_CONFIG = 1,
	OPTION_JSON = 2,
	OPTION_IDLE_EXIT = 4,
	OPTION_CHECK = 8,
	OPTION_FIX = 16
};

static const struct command {
	const char *name;
	int (*run)(const struct command_options *o);
	unsigned options;
	int arguments; /* at most */
} commands[] = {
	{"run", command_run, OPTION_CONFIG | OPTION_IDLE_EXIT | OPTION_CHECK, 0},
	{"mcp", command_mcp, OPTION_CONFIG, 0},
	{"status", command_status, OPTION_CONFIG | OPTION_JSON, 0},
	{"stats", command_stats, OPTION_CONFIG | OPTION_JSON, 0},
	{"upgrade", command_upgrade, OPTION_CONFIG, 0},
	{"mcp-config", command_mcp_config, OPTION_CONFIG, 1},
	{"debug", command_debug, OPTION_CONFIG, 2},
	{"doctor", command_doctor, OPTION_CONFIG | OPTION_FIX, 0},
	{"export", command_export, OPTION_CONFIG, 0},
	{"import", command_import, OPTION_CONFIG, 0},
};

static const struct {
	const char *name;
	enum option_bit bit;
} option_names[] = {{"--config", OPTION_CONFIG},
		    {"--json", OPTION_JSON},
		    {"--idle-exit", OPTION_IDLE_EXIT},
		    {"--check", OPTION_CHECK},
		    {"--fix", OPTION_FIX}};

/* A name that means the same file in every folder, also to a program that comes after this one. */
static const char *absolute(const char *path)
{
	char *folder = path[0] == '/' ? NULL : getcwd(NULL, 0);
	if (folder == NULL)
		return path;
	static char *whole; /* for as long as the process lives */
	free(whole);
	whole = xasprintf("%s/%s", folder, path);
	free(folder);
	return whole;
}

static int wrong_usage(const char *command, const char *what, const char *why)
{
	if (what != NULL)
		fprintf(stderr, "phony%s%s: %s %s\n", command[0] ? " " : "", command, what, why);
	fputs(usage, stderr);
	return EXIT_USAGE;
}

static int run_command(const struct command *c, unsigned given_options, int argc, char **argv,
		       struct command_options *o)
{
	for (size_t i = 0; i < sizeof option_names / sizeof *option_names; i++)
		if (given_options & ~c->options & option_names[i].bit)
			return wrong_usage(c->name, option_names[i].name, "is not an option of this command");
	if (argc > c->arguments)
		return wrong_usage(c->name, argv[c->arguments], "is one argument too many");
	o->argument = argc > 0 ? argv[0] : NULL;
	o->tool = argc > 1 ? argv[1] : NULL;
	return c->run(o);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
		{"idle-exit", no_argument, NULL, 'i'},    {"check", no_argument, NULL, 'k'},
		{"fix", no_argument, NULL, 'f'},          {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0}};
	struct command_options o = {0};
	unsigned given = 0;
	umask(077);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write(2) */
	panic_without_memory();
	int option;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			o.config_file = absolute(optarg);
			given |= OPTION_CONFIG;
			break;
		case 'j':
			o.json = true;
			given |= OPTION_JSON;
			break;
		case 'i':
			o.idle_exit = true;
			given |= OPTION_IDLE_EXIT;
			break;
		case 'k':
			o.check = true;
			given |= OPTION_CHECK;
			break;
		case 'f':
			o.fix = true;
			given |= OPTION_FIX;
			break;
		case 'h':
			fputs(usage, stdout);
			daemon_print_settings();
			return EXIT_OK;
		case 'v':
			puts("phony " PHONY_VERSION);
			return EXIT_OK;
		default:
			return wrong_usage("", NULL, NULL);
		}
	}
	if (optind == argc)
		return wrong_usage("", NULL, NULL);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(commands[i].name, argv[optind]) == 0)
			return run_command(&commands[i], given, argc - optind - 1, argv + optind + 1, &o);
	return wrong_usage("", argv[optind], "is not a command");
}
