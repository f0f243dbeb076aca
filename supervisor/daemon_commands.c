/* Commands that look at or move what the daemons own: theirs to do, ours to start. */
#include "lib/base/exit_codes.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/config/config.h"
#include "lib/daemon/privileges.h"
#include "lib/daemon/spawn.h"
#include "supervisor/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Becomes voiced with this option. */
static int become(const struct command_options *o, const char *option)
{
	struct config config;
	struct buffer faults = {0};
	char why[700];
	/* Wrong settings are voiced's to tell. */
	bool made = config_load(&config, o->config_file, &faults) > 0 ||
		    privileges_make_dirs(&config, why, sizeof why);
	buffer_free(&faults);
	config_free(&config);
	if (!made) {
		fprintf(stderr, "phony: %s\n", why);
		return EXIT_FAILED;
	}
	setenv("MONGOC_DISABLE_SHM", "1", 1); /* the driver counts there, and leaves it behind */
	char *path = spawn_sibling("voiced");
	const char *const argv[] = {"voiced", option, o->config_file ? "--config" : NULL, o->config_file,
				    NULL};
	execv(path, (char *const *)argv);
	fprintf(stderr, "phony: %s cannot be executed: %s\n", path, strerror(errno));
	free(path);
	return EXIT_FAILED;
}

int command_doctor(const struct command_options *o)
{
	struct config config = {0};
	struct buffer faults = {0}, unknown = {0};
	unsigned count = config_load(&config, o->config_file, &faults);
	count += config_require_telephony(&config, &faults);
	bool unread = config.unread;
	config_free(&config);
	if (!unread && config_unknown(o->config_file, &unknown))
		printf("advice settings: %s has lines that are no settings of phony; correct them if they "
		       "are "
		       "meant to be: %.*s\n",
		       o->config_file ? o->config_file : CONFIG_FILE,
		       TEXT_SPAN((char *)unknown.data, (int)unknown.len));
	buffer_free(&unknown);
	if (count == 0) {
		buffer_free(&faults);
		puts("ok     settings");
		fflush(stdout);
		return become(o, o->fix ? "--fix" : "--check");
	}
	buffer_append(&faults, "", 1);
	for (char *line = strtok((char *)faults.data, "\n"); line != NULL; line = strtok(NULL, "\n"))
		printf("fault  %s\n", line);
	puts("Set these in the environment, in " CONFIG_FILE " or in the file of --config; then ask again.");
	buffer_free(&faults);
	return EXIT_CONFIG;
}

int command_export(const struct command_options *o)
{
	return become(o, "--export");
}

int command_import(const struct command_options *o)
{
	return become(o, "--import");
}
