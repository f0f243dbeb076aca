#include "lib/daemon/spawn.h"

#include "lib/base/panic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_FD = 3, HIGH_FD = 64 };

static char **build_env(const struct spawn *s)
{
	size_t count = 0, kept = 0;
	while (s->envp != NULL && s->envp[count] != NULL)
		count++;
	char **env = xcalloc(count + 3, sizeof *env);
	for (size_t i = 0; i < count; i++)
		if (strncmp(s->envp[i], "LISTEN_", 7) != 0)
			env[kept++] = xstrdup(s->envp[i]);
	if (s->fd_count > 0) {
		char names[256] = "";
		for (unsigned i = 0; i < s->fd_count; i++) {
			size_t used = strlen(names);
			snprintf(names + used, sizeof names - used, "%s%s", i ? ":" : "", s->fds[i].name);
		}
		env[kept++] = xasprintf("LISTEN_FDS=%u", s->fd_count);
		env[kept++] = xasprintf("LISTEN_FDNAMES=%s", names);
	}
	return env;
}

static void free_env(char **env)
{
	for (size_t i = 0; env[i] != NULL; i++)
		free(env[i]);
	free(env);
}

static void place_standard(posix_spawn_file_actions_t *actions, int wanted, int target)
{
	if (wanted < 0)
		posix_spawn_file_actions_addopen(actions, target, "/dev/null", O_RDWR, 0);
	else if (wanted > 0)
		posix_spawn_file_actions_adddup2(actions, wanted, target);
}

/* For kernels before Linux 5.11: close_range(2). */
static void mark_each(void)
{
	DIR *open_ones = opendir("/proc/self/fd");
	const struct dirent *entry;
	while (open_ones != NULL && (entry = readdir(open_ones)) != NULL) {
		int fd = atoi(entry->d_name);
		if (fd >= FIRST_FD)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	if (open_ones != NULL)
		closedir(open_ones);
}

pid_t spawn_program(const struct spawn *s)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int high[SPAWN_FDS_MAX];
	pid_t pid = -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	posix_spawnattr_setflags(&attributes, s->own_session ? flags | POSIX_SPAWN_SETSID : flags);
	place_standard(&actions, s->stdin_fd, STDIN_FILENO);
	place_standard(&actions, s->stdout_fd, STDOUT_FILENO);
	place_standard(&actions, s->stderr_fd, STDERR_FILENO);
	/* Libraries open some that programs would inherit, as libcurl its socket pair: a worker could
	 * reach others by it. */
	if (close_range(FIRST_FD, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
		mark_each();
	/* Copies far above the targets, so that no dup2 overwrites a source. */
	int error = 0;
	for (unsigned i = 0; i < s->fd_count; i++) {
		high[i] = fcntl(s->fds[i].fd, F_DUPFD_CLOEXEC, HIGH_FD);
		if (high[i] < 0)
			error = errno;
		else
			posix_spawn_file_actions_adddup2(&actions, high[i], FIRST_FD + (int)i);
	}
	if (error == 0) {
		char **env = build_env(s);
		error = posix_spawn(&pid, s->path, &actions, &attributes, (char *const *)s->argv, env);
		free_env(env);
	}
	for (unsigned i = 0; i < s->fd_count; i++)
		if (high[i] >= 0)
			close(high[i]);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	errno = error;
	return error == 0 ? pid : -1;
}

static int folder = -1;

static char *own_folder(void)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n < 0)
		panic("/proc/self/exe cannot be read: is /proc mounted?");
	self[n > 0 ? n : 0] = '\0';
	return xstrdup(dirname(self));
}

void spawn_keep_folder(void)
{
	char *path = own_folder();
	folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(path);
}

char *spawn_sibling_by_name(const char *name)
{
	char *dir = own_folder();
	char *path = xasprintf("%s/%s", dir, name);
	free(dir);
	return path;
}

char *spawn_sibling(const char *name)
{
	return folder >= 0 ? xasprintf("/proc/self/fd/%d/%s", folder, name) : spawn_sibling_by_name(name);
}
