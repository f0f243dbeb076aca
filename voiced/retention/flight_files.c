#include "voiced/retention/flight_files.h"

#include "lib/base/log.h"
#include "lib/base/panic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The attempt before this one is over, however its process ended: its record says
 * so, lest it be taken for a part of one.
 */
static void end_former(const char *folder, const struct call *call)
{
	static const char end[] = "{\"end\":\"another process took the call over\"}\n";
	if (call_attempt(call) == 0)
		return;
	char *path = xasprintf("%s/%s.%lld.jsonl", folder, call_sid(call), (long long)call_attempt(call) - 1);
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && write(fd, end, sizeof end - 1) < 0)
		log_call(LOG_SEV_WARN, call_sid(call), "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(path);
}

int flights_open(struct voiced *v, const struct call *call)
{
	if (!v->config->flight_recorder && !json_is_true(call_value(call, "flightRecorder")))
		return FLIGHTS_LEFT_OUT;
	char *folder = config_state_path(v->config, "flights");
	char *path = xasprintf("%s/%s.%lld.jsonl", folder, call_sid(call), (long long)call_attempt(call));
	end_former(folder, call);
	int fd = config_make_dir(folder)
			 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600)
			 : -1;
	if (fd < 0)
		log_call(LOG_SEV_ERROR, call_sid(call), "no flight recorder: %s: %s", path, strerror(errno));
	free(path);
	free(folder);
	return fd < 0 ? FLIGHTS_LEFT_OUT : fd;
}

void flights_delete(struct voiced *v, const char *call_sid)
{
	char *folder = config_state_path(v->config, "flights");
	DIR *files = opendir(folder);
	size_t len = strlen(call_sid);
	struct dirent *file;
	while (files != NULL && len > 0 && (file = readdir(files)) != NULL)
		if (strncmp(file->d_name, call_sid, len) == 0 && file->d_name[len] == '.')
			unlinkat(dirfd(files), file->d_name, 0);
	if (files != NULL)
		closedir(files);
	free(folder);
}
