#include "supervisor/descendants.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 200, ROUND_MS = 10 };

/* proc_pid_stat(5): "pid (name) state ppid …", where the name may have anything in it. -1: it has gone. */
static pid_t parent_of(const char *pid)
{
	char path[64], text[512], state;
	int parent = -1;
	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return -1;
	size_t n = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[n] = '\0';
	const char *after = strrchr(text, ')');
	return after != NULL && sscanf(after + 1, " %c %d", &state, &parent) == 2 && state != 'Z' ? parent
												  : -1;
}

unsigned descendants_signal(int number)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	unsigned count = 0;
	while (proc != NULL && (entry = readdir(proc)) != NULL)
		if (entry->d_name[strspn(entry->d_name, "0123456789")] == '\0' &&
		    parent_of(entry->d_name) == getpid())
			count += kill((pid_t)atol(entry->d_name), number) == 0;
	if (proc != NULL)
		closedir(proc);
	return count;
}

void descendants_kill(void)
{
	static const struct timespec pause = {0, ROUND_MS * 1000000L};
	/* The dying leave their own children to us: until there are none. */
	for (int i = 0; i < ROUNDS; i++) {
		unsigned count = descendants_signal(SIGKILL);
		pid_t pid;
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (count == 0 && pid < 0 && errno == ECHILD)
			return;
		nanosleep(&pause, NULL);
	}
}
