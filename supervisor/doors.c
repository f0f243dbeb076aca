#include "supervisor/doors.h"

#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

bool doors_lock(struct doors *d, const struct config *config, char *why, size_t size)
{
	*d = (struct doors){-1, -1, -1, -1, -1, -1};
	if (!config_make_dir(config->run_dir)) {
		snprintf(why, size, "RUN_DIR %s cannot be made: %s", config->run_dir, strerror(errno));
		return false;
	}
	char *path = config_run_path(config, "phony.lock");
	d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	bool ok = d->lock >= 0 && flock(d->lock, LOCK_EX | LOCK_NB) == 0;
	if (!ok && errno == EWOULDBLOCK)
		snprintf(why, size, "phony is already running on %s (`phony status` shows it)",
			 config->run_dir);
	else if (!ok)
		snprintf(why, size, "%s cannot be locked: %s", path, strerror(errno));
	free(path);
	return ok;
}

static bool open_one(int *fd, const struct config *config, const char *name, char *why, size_t size)
{
	char *path = config_run_path(config, name);
	*fd = fd_unix_listen(path, 0600);
	if (*fd < 0)
		snprintf(why, size, "the socket %s cannot be made: %s", path, strerror(errno));
	free(path);
	return *fd >= 0;
}

bool doors_open_local(struct doors *d, const struct config *config, char *why, size_t size)
{
	return open_one(&d->voiced, config, SOCKET_VOICED, why, size) &&
	       open_one(&d->smsd, config, SOCKET_SMSD, why, size) &&
	       open_one(&d->mcpd, config, SOCKET_MCPD, why, size) &&
	       open_one(&d->supervisor, config, SOCKET_SUPERVISOR, why, size);
}

static int listen_on(const struct addrinfo *address)
{
	int on = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

bool doors_open_http(struct doors *d, const struct config *config)
{
	char port[8];
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	snprintf(port, sizeof port, "%u", config->port);
	if (getaddrinfo(config->bind_address, port, &hints, &found) != 0) {
		errno = EADDRNOTAVAIL;
		return false;
	}
	d->http = listen_on(found);
	int saved = errno;
	freeaddrinfo(found);
	errno = saved;
	return d->http >= 0;
}

void doors_close(struct doors *d, const struct config *config)
{
	static const char *const names[] = {SOCKET_VOICED, SOCKET_SMSD, SOCKET_MCPD, SOCKET_SUPERVISOR};
	int *const fds[] = {&d->voiced, &d->smsd, &d->mcpd, &d->supervisor};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (*fds[i] < 0)
			continue;
		char *path = config_run_path(config, names[i]);
		unlink(path);
		free(path);
		fd_close(fds[i]);
	}
	fd_close(&d->http);
	fd_close(&d->lock);
}
