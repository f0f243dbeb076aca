#include "supervisor/sd_notify.h"

#include "lib/base/clock.h"
#include "lib/loop/loop.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct timer watchdog;
static struct event_base *watched;
static int every_ms;

void notify_send(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;
	if (len < 2 || len >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* an abstract name */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

void notify_reloading(void)
{
	char text[80];
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)mono_now().us);
	notify_send(text);
}

void notify_stopping(unsigned drain_s)
{
	enum { LAST_S = 60 }; /* what phony itself allows beyond the time to drain, and more */
	char text[80];
	snprintf(text, sizeof text, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
		 (long long)(drain_s + LAST_S) * 1000000);
	notify_send(text);
}

static void on_watchdog(void *arg)
{
	(void)arg;
	notify_send("WATCHDOG=1");
	timer_start(&watchdog, watched, every_ms, on_watchdog, NULL);
}

void notify_watchdog(struct event_base *base)
{
	const char *usec = getenv("WATCHDOG_USEC");
	every_ms = usec ? (int)(strtoll(usec, NULL, 10) / 1000 / 3) : 0;
	watched = base;
	if (every_ms > 0)
		on_watchdog(NULL);
}

void notify_stop(void)
{
	timer_stop(&watchdog);
	notify_send("STOPPING=1");
}
