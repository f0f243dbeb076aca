#include "lib/daemon/lock_file.h"

#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int open_lock(const struct config *c, const char *name, int flags)
{
	char file[64];
	snprintf(file, sizeof file, "%s.lock", name);
	char *path = config_run_path(c, file);
	int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	int saved = errno;
	free(path);
	errno = saved;
	return fd;
}

int daemon_take_place(const struct config *c, const char *name)
{
	int fd = open_lock(c, name, O_RDWR | O_CREAT);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		log_error("another %s serves RUN_DIR %s still", name, c->run_dir);
	else
		log_error("RUN_DIR %s cannot be used: %s", c->run_dir, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

bool daemon_is_there(const struct config *c, const char *name)
{
	int fd = open_lock(c, name, O_RDONLY);
	if (fd < 0)
		return false;
	bool taken = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	close(fd);
	return taken;
}
