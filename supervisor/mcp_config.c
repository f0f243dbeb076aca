/* `phony mcp-config CLIENT`: the entry that makes an MCP client start us, to be pasted or piped where it
 * belongs. */
#include "lib/base/json_build.h"
#include "lib/base/text.h"
#include "supervisor/commands.h"

#include "lib/base/exit_codes.h"
#include "lib/base/panic.h"
#include "lib/base/version.h"
#include "lib/config/config.h"
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
	json_t *args = json_build("[s]", "mcp");
	if (config_file != NULL) {
		json_array_append_new(args, json_text("--config"));
		json_array_append_new(args, json_text(config_file));
	}
	json_t *server = json_build("{s:s, s:o}", "command", program, "args", args);
	if (c->typed)
		json_object_set_new(server, "type", json_text("stdio"));
	json_t *entry = json_build("{s:{s:o}}", c->servers, "phony", server);
	json_dumpf(entry, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(entry);
}

/* A host's name backwards, as the registry's namespaces are: com.example.phone. Owned by the caller. */
static char *namespace_of(const char *url)
{
	char *host = xasprintf("%s", strstr(url, "://") + 3), *backwards = xstrdup("");
	host[strcspn(host, ":/?#")] = '\0';
	for (char *label; (label = strrchr(host, '.')) != NULL || host[0] != '\0';) {
		const char *last = label ? label + 1 : host;
		char *longer = xasprintf("%s%s%s", backwards, backwards[0] ? "." : "", last);
		free(backwards);
		backwards = longer;
		host[label ? label - host : 0] = '\0';
	}
	free(host);
	return backwards;
}

/*
 * server.json: this instance as an entry of a registry of MCP servers
 * (modelcontextprotocol.io/registry, schema of 2025-12-11): a remote server,
 * since phony is no package of npm's kind. Its name is of PUBLIC_URL's domain,
 * by which the registry knows whose it is.
 */
static int print_registry_entry(const struct command_options *o)
{
	struct config config;
	struct buffer faults = {0};
	config_load(&config, o->config_file, &faults);
	buffer_free(&faults);
	bool remote = strncmp(config.public_url, "https://", 8) == 0;
	if (remote) {
		char *space = namespace_of(config.public_url);
		json_t *entry = json_build(
			"{s:s, s:o, s:s, s:s, s:s, s:[{s:s, s:o, s:[{s:s, s:s, s:b, s:b}]}]}", "$schema",
			"https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
			"name", json_text_printf("%s/phony", space), "title", "phony", "description",
			"Phone calls and text messages: an agent calls, talks, and reports what came of it.",
			"version", PHONY_VERSION, "remotes", "type", "streamable-http", "url",
			json_text_printf("%s/mcp", config.public_url), "headers", "name", "Authorization",
			"description", "Bearer, a space, and the API token of this phony", "isRequired", 1,
			"isSecret", 1);
		json_dumpf(entry, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(entry);
		free(space);
		fputs("Save this as server.json. The server before phony (nginx) must let /mcp through.\n",
		      stderr);
	} else {
		fputs("phony: PUBLIC_URL must be set, to the https URL at which clients reach phony\n",
		      stderr);
	}
	config_free(&config);
	return remote ? EXIT_OK : EXIT_CONFIG;
}

int command_mcp_config(const struct command_options *o)
{
	const char *name = o->argument ? o->argument : "";
	if (strcmp(name, "registry") == 0)
		return print_registry_entry(o);
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
	fputs("usage: phony mcp-config claude-desktop|claude-code|cursor|vscode|registry [--config FILE]\n",
	      stderr);
	return EXIT_USAGE;
}
