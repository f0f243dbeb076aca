/* `phony mcp-config CLIENT`: the entry that makes an MCP client start us, to be pasted or piped where it
 * belongs. */
#include "supervisor/commands.h"

#include "lib/base/exit_codes.h"
#include "lib/base/panic.h"
#include "lib/daemon/spawn.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct client {
	const char *name;
	const char *servers; /* the member that holds the servers */
	const char *where;
	bool typed; /* each server tells its transport */
} clients[] = {
	{"claude-desktop", "mcpServers",
	 "claude_desktop_config.json (Settings, Developer, Edit Config); restart the app afterwards", false},
	{"claude-code", "mcpServers", ".mcp.json of a project; or run the command below", true},
	{"cursor", "mcpServers", "~/.cursor/mcp.json, or .cursor/mcp.json of a project", false},
	{"vscode", "servers", ".vscode/mcp.json of a workspace", true},
};

static void print_entry(const struct client *c, const char *program, const char *config_file)
{
	json_t *args = json_pack("[s]", "mcp");
	if (config_file != NULL) {
		json_array_append_new(args, json_string("--config"));
		json_array_append_new(args, json_string(config_file));
	}
	json_t *server = json_pack("{s:s, s:o}", "command", program, "args", args);
	if (c->typed)
		json_object_set_new(server, "type", json_string("stdio"));
	json_t *entry = json_pack("{s:{s:o}}", c->servers, "phony", server);
	json_dumpf(entry, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(entry);
}

int command_mcp_config(const struct command_options *o)
{
	const char *name = o->argument ? o->argument : "";
	for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
		const struct client *c = &clients[i];
		if (strcmp(c->name, name) != 0)
			continue;
		char *program = spawn_sibling_by_name("phony");
		char *config = o->config_file ? realpath(o->config_file, NULL) : NULL;
		/* Clients start us anywhere: a name that is not whole would mean another file. */
		if (o->config_file != NULL && config == NULL) {
			fprintf(stderr, "phony: %s cannot be found\n", o->config_file);
			free(program);
			return EXIT_FAILED;
		}
		print_entry(c, program, config);
		fprintf(stderr, "Put this into %s.\n", c->where);
		if (strcmp(c->name, "claude-code") == 0)
			fprintf(stderr, "claude mcp add --scope user phony -- %s mcp%s%s\n", program,
				config ? " --config " : "", config ? config : "");
		free(program);
		free(config);
		return EXIT_OK;
	}
	fputs("usage: phony mcp-config claude-desktop|claude-code|cursor|vscode [--config FILE]\n", stderr);
	return EXIT_USAGE;
}
