#include "voiced/store_commands.h"

#include "lib/base/exit_codes.h"
#include "lib/store/import_export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int job_export(struct daemon *d)
{
	return store_export(d->config.mongodb_url, d->config.state_dir, stdout) ? EXIT_FAILED : EXIT_OK;
}

int job_import(struct daemon *d)
{
	if (!config_make_dir(d->config.state_dir)) {
		fprintf(stderr, "phony: STATE_DIR %s: %s\n", d->config.state_dir, strerror(errno));
		return EXIT_FAILED;
	}
	return store_import(d->config.mongodb_url, d->config.state_dir, stdin) ? EXIT_FAILED : EXIT_OK;
}
