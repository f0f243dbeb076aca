#include "supervisor/listeners.h"

#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/daemon/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The lock file, made by the daemons' user in their own folder. One that root made
 * (earlier versions did) is replaced, unless the phony that made it holds it still.
 */
static int doors_open_lock(const struct config *config, const char *path)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	privileges_as_user(config);
	int fd = open(path, O_RDWR | O_CREAT | flags, 0600);
	int saved = errno;
	privileges_as_root();
	if (fd >= 0 || saved != EACCES) {
		errno = saved;
		return fd;
	}
	int roots = open(path, O_RDONLY | flags);
	bool held = roots >= 0 && flock(roots, LOCK_EX | LOCK_NB) != 0;
	if (!held) {
		privileges_as_user(config);
		fd = unlink(path) == 0 ? open(path, O_RDWR | O_CREAT | O_EXCL | flags, 0600) : -1;
		saved = errno;
		privileges_as_root();
	}
	if (roots >= 0)
		close(roots);
	errno = held ? EWOULDBLOCK : saved;
	return fd;
}

bool doors_lock(struct doors *d, const struct config *config, char *why, size_t size)
{
	*d = DOORS_NONE;
	if (!privileges_make_dirs(config, why, size))
		return false;
	char *path = config_run_path(config, "phony.lock");
	d->lock = doors_open_lock(config, path);
	bool ok = d->lock >= 0 && flock(d->lock, LOCK_EX | LOCK_NB) == 0;
	if (!ok && errno == EWOULDBLOCK)
		text_printf(why, size, "phony is already running on %s (`phony status` shows it)",
			    config->run_dir);
	else if (!ok)
		text_printf(why, size, "%s cannot be locked: %s", path, strerror(errno));
	free(path);
	return ok;
}

static const struct door {
	const char *name;
	size_t offset;
} all_doors[] = {
	{DOOR_LOCK, offsetof(struct doors, lock)},       {DOOR_HTTP, offsetof(struct doors, http)},
	{DOOR_VOICED, offsetof(struct doors, voiced)},   {DOOR_SMSD, offsetof(struct doors, smsd)},
	{DOOR_MCPD, offsetof(struct doors, mcpd)},       {DOOR_PHONY, offsetof(struct doors, supervisor)},
	{DOOR_CHECKED, offsetof(struct doors, checked)},
};
enum { DOOR_COUNT = sizeof all_doors / sizeof *all_doors, FIRST_FD = 3 };

static int *door_fd(struct doors *d, size_t i)
{
	return (int *)((char *)d + all_doors[i].offset);
}

bool doors_inherited(struct doors *d)
{
	if (fd_inherited(DOOR_LOCK) < 0)
		return false;
	for (size_t i = 0; i < DOOR_COUNT; i++)
		*door_fd(d, i) = fd_inherited(all_doors[i].name);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return true;
}

void doors_exec(struct doors *d, const char *path, const char *const argv[])
{
	char count[8], names[128] = "";
	int high[DOOR_COUNT];
	if (d->next_http >= 0) {
		fd_close(&d->http);
		d->http = d->next_http;
		d->next_http = -1;
	}
	for (size_t i = 0; i < DOOR_COUNT; i++) {
		size_t used = strlen(names);
		snprintf(names + used, sizeof names - used, "%s%s", i ? ":" : "", all_doors[i].name);
		/* Above all targets, so that none is overwritten before it is moved. */
		high[i] = fcntl(*door_fd(d, i), F_DUPFD_CLOEXEC, 64);
	}
	for (size_t i = 0; i < DOOR_COUNT; i++)
		if (high[i] < 0 || dup2(high[i], FIRST_FD + (int)i) < 0)
			return;
	snprintf(count, sizeof count, "%d", DOOR_COUNT);
	setenv("LISTEN_FDS", count, 1);
	unsetenv("LISTEN_PID"); /* in our own words: all of them are for the next program */
	setenv("LISTEN_FDNAMES", names, 1);
	execv(path, (char *const *)argv);
}

/* Another address or port is asked for than the door that we have opens to. */
static bool port_differs(int fd, const struct addrinfo *wanted)
{
	struct sockaddr_storage now = {0};
	socklen_t len = sizeof now;
	return getsockname(fd, (struct sockaddr *)&now, &len) != 0 || len != wanted->ai_addrlen ||
	       memcmp(&now, wanted->ai_addr, len) != 0;
}

static bool open_one(int *fd, const struct config *config, const char *name, char *why, size_t size)
{
	char *path = config_run_path(config, name);
	*fd = fd_unix_listen(path, 0600);
	if (*fd < 0)
		text_printf(why, size, "the socket %s cannot be made: %s", path, strerror(errno));
	free(path);
	return *fd >= 0;
}

bool doors_open_local(struct doors *d, const struct config *config, char *why, size_t size)
{
	privileges_as_user(config);
	bool ok = open_one(&d->voiced, config, SOCKET_VOICED, why, size) &&
		  open_one(&d->smsd, config, SOCKET_SMSD, why, size) &&
		  open_one(&d->mcpd, config, SOCKET_MCPD, why, size) &&
		  open_one(&d->supervisor, config, SOCKET_SUPERVISOR, why, size);
	privileges_as_root();
	return ok;
}

static void share_port(int fd, int on)
{
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

/*
 * beside: a listening socket of ours (or -1), which may have the same port at another
 * address; the two share it until the first is closed, and only the two.
 */
static int listen_on(const struct addrinfo *address, int beside)
{
	int on = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (beside >= 0) {
		share_port(fd, 1);
		share_port(beside, 1);
	}
	bool ok = bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0;
	int saved = errno;
	if (beside >= 0) {
		share_port(fd, 0);
		share_port(beside, 0);
	}
	if (!ok)
		fd_close(&fd);
	errno = saved;
	return fd;
}

/* The port of a service manager (sd_listen_fds(3)), which has it open before us and after; -1: none. */
static int activated(void)
{
	int fd = getenv("LISTEN_PID") != NULL ? fd_inherited(DOOR_HTTP) : -1;
	unsetenv("LISTEN_PID"); /* asked once */
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (fd >= 0)
		fd_set_nonblock(fd, true);
	return fd;
}

/* The address that these settings name; the caller frees it. NULL: it is none. */
static struct addrinfo *address_of(const struct config *config)
{
	char port[8];
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	snprintf(port, sizeof port, "%u", config->port);
	return getaddrinfo(config->bind_address, port, &hints, &found) == 0 ? found : NULL;
}

bool doors_open_http(struct doors *d, const struct config *config)
{
	struct addrinfo *wanted = address_of(config);
	if (wanted == NULL) {
		errno = EADDRNOTAVAIL;
		return false;
	}
	if (d->http < 0 && (d->http = activated()) >= 0 && port_differs(d->http, wanted))
		log_warn("the port that was handed to phony is not that of BIND_ADDRESS and PORT, which is "
			 "opened");
	if (d->http < 0 || port_differs(d->http, wanted)) {
		int fd = listen_on(wanted, d->http);
		int saved = errno;
		fd_close(&d->http);
		d->http = fd;
		errno = saved;
	}
	int saved = errno;
	freeaddrinfo(wanted);
	errno = saved;
	return d->http >= 0;
}

bool doors_open_next(struct doors *d, const struct config *next, char *why, size_t size)
{
	struct addrinfo *wanted = address_of(next);
	fd_close(&d->next_http); /* of an upgrade that was refused */
	if (wanted == NULL) {
		text_printf(why, size, "BIND_ADDRESS: %s is not an address of this machine.",
			    next->bind_address);
		return false;
	}
	bool stays = !port_differs(d->http, wanted);
	if (!stays)
		d->next_http = listen_on(wanted, d->http);
	bool ok = stays || d->next_http >= 0;
	if (!ok)
		text_printf(why, size, "PORT: %s:%u cannot be bound: %s.", next->bind_address, next->port,
			    strerror(errno));
	freeaddrinfo(wanted);
	return ok;
}

void doors_close(struct doors *d, const struct config *config)
{
	static const char *const names[] = {SOCKET_VOICED, SOCKET_SMSD, SOCKET_MCPD, SOCKET_SUPERVISOR};
	int *const fds[] = {&d->voiced, &d->smsd, &d->mcpd, &d->supervisor};
	privileges_as_user(config);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (*fds[i] < 0)
			continue;
		char *path = config_run_path(config, names[i]);
		unlink(path);
		free(path);
		fd_close(fds[i]);
	}
	privileges_as_root();
	fd_close(&d->http);
	fd_close(&d->next_http);
	fd_close(&d->checked);
	fd_close(&d->lock);
}
