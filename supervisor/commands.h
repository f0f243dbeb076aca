/* The commands of `phony`; each returns an exit code. */
#ifndef PHONY_SUPERVISOR_COMMANDS_H
#define PHONY_SUPERVISOR_COMMANDS_H

#include <stdbool.h>

struct command_options {
	const char *config_file; /* NULL: the usual places */
	/* mcp-config: the client. debug: the call, and with what; or NULL */
	const char *argument, *tool;
	bool json;      /* status, stats: as JSON */
	bool check;     /* run: look at the settings only */
	bool fix;       /* doctor: mend what can be mended from here */
	bool idle_exit; /* run: end when nobody is there any more */
};

int command_run(const struct command_options *o);
int command_mcp(const struct command_options *o);
int command_status(const struct command_options *o);
int command_stats(const struct command_options *o);
int command_upgrade(const struct command_options *o);
int command_mcp_config(const struct command_options *o);
int command_debug(const struct command_options *o);
int command_doctor(const struct command_options *o);
int command_export(const struct command_options *o);
int command_import(const struct command_options *o);

#endif
