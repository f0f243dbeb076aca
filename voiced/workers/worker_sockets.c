#include "voiced/workers/worker_sockets.h"

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 128, PATH_SIZE = NAME_SIZE + 40 };

struct worker_sockets {
	int folder;
};

struct worker_sockets *worker_sockets_open(const char *run_dir)
{
	char *path = xasprintf("%s/workers", run_dir);
	int folder = -1;
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int saved = errno;
	free(path);
	errno = saved;
	if (folder < 0)
		return NULL;
	struct worker_sockets *s = xcalloc(1, sizeof *s);
	s->folder = folder;
	return s;
}

void worker_sockets_close(struct worker_sockets **s)
{
	if (*s == NULL)
		return;
	fd_close(&(*s)->folder);
	free(*s);
	*s = NULL;
}

static void write_name(const struct worker_name *name, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%s.%lld.%d", name->call_id, (long long)name->attempt, (int)name->pid);
}

bool worker_name_parse(const char *text, struct worker_name *name)
{
	long long attempt;
	int pid, end = 0;
	char again[NAME_SIZE];
	*name = (struct worker_name){0};
	if (sscanf(text, "%63[A-Za-z0-9_-].%lld.%d%n", name->call_id, &attempt, &pid, &end) != 3 ||
	    text[end] != '\0' || attempt < 0 || pid <= 0)
		return false;
	name->attempt = attempt;
	name->pid = pid;
	write_name(name, again);
	return strcmp(again, text) == 0;
}

/* By the descriptor: a socket's address has room for 107 bytes, RUN_DIR may be longer (unix(7)). */
static void address_of(const struct worker_sockets *s, const struct worker_name *name, char out[PATH_SIZE])
{
	char text[NAME_SIZE];
	write_name(name, text);
	snprintf(out, PATH_SIZE, "/proc/self/fd/%d/%s", s->folder, text);
}

int worker_sockets_make(const struct worker_sockets *s, const struct worker_name *name)
{
	char address[PATH_SIZE];
	address_of(s, name, address);
	return fd_unix_listen(address, 0600);
}

void worker_sockets_remove(const struct worker_sockets *s, const struct worker_name *name)
{
	char text[NAME_SIZE];
	write_name(name, text);
	unlinkat(s->folder, text, 0);
}

static void find(const struct worker_sockets *s, const char *text, worker_sockets_fn *fn, void *arg)
{
	enum { TRIES = 3 }; /* its call depends on it: a refusal of the moment is not taken for an end */
	struct worker_name name;
	char address[PATH_SIZE];
	if (!worker_name_parse(text, &name))
		return;
	address_of(s, &name, address);
	int fd = -1;
	for (int i = 0; i < TRIES && fd < 0; i++)
		fd = fd_unix_connect(address);
	int saved = errno;
	bool ended = kill(name.pid, 0) != 0 && errno == ESRCH;
	errno = saved;
	if (fd >= 0)
		fn(arg, &name, fd);
	else if (ended)
		worker_sockets_remove(s, &name);
	else
		log_warn("callworker %d cannot be reached: %s", (int)name.pid, strerror(errno));
}

void worker_sockets_each(const struct worker_sockets *s, worker_sockets_fn *fn, void *arg)
{
	int copy = openat(s->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	if (dir == NULL) {
		log_error("RUN_DIR/workers cannot be read: %s", strerror(errno));
		fd_close(&copy);
		return;
	}
	while ((entry = readdir(dir)) != NULL)
		find(s, entry->d_name, fn, arg);
	closedir(dir);
}
