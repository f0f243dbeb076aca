/* phony: the command line. */
#include "lib/base/exit_codes.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/spawn.h"
#include "supervisor/commands.h"

#include <errno.h>
#include <getopt.h>
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
	"       phony --help\n";

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

static const struct {
	const char *name;
	int (*run)(const struct command_options *o);
} commands[] = {{"run", command_run},      {"mcp", command_mcp},         {"status", command_status},
		{"stats", command_stats},  {"upgrade", command_upgrade}, {"mcp-config", command_mcp_config},
		{"debug", command_debug},  {"doctor", command_doctor},   {"export", command_export},
		{"import", command_import}};

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"json", no_argument, NULL, 'j'},
						{"idle-exit", no_argument, NULL, 'i'},
						{"check", no_argument, NULL, 'k'},
						{"fix", no_argument, NULL, 'f'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct command_options o = {0};
	umask(077);
	panic_without_memory();
	int option;
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			o.config_file = optarg;
			break;
		case 'j':
			o.json = true;
			break;
		case 'i':
			o.idle_exit = true;
			break;
		case 'k':
			o.check = true;
			break;
		case 'f':
			o.fix = true;
			break;
		case 'h':
			fputs(usage, stdout);
			daemon_print_settings();
			return EXIT_OK;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	const char *name = optind < argc ? argv[optind] : "";
	int most = strcmp(name, "debug") == 0 ? 2 : strcmp(name, "mcp-config") == 0 ? 1 : 0;
	int given = argc - optind - 1;
	o.argument = given > 0 ? argv[optind + 1] : NULL;
	o.tool = given > 1 ? argv[optind + 2] : NULL;
	if (given > most)
		name = "";
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].run(&o);
	fputs(usage, stderr);
	return EXIT_USAGE;
}
