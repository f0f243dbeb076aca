#include "lib/daemon/peer_identity.h"

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "proto/messages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool identity_of(int fd, struct identity *who)
{
	struct ucred c = {0};
	socklen_t len = sizeof c;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) != 0)
		return false;
	*who = (struct identity){c.pid, c.uid};
	return true;
}

/* The file name of its program; "" when that is not to be seen: root's, or a daemon's. */
static void program_of(pid_t pid, char out[64])
{
	char path[40], target[4096];
	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	ssize_t n = readlink(path, target, sizeof target - 1);
	target[n > 0 ? n : 0] = '\0';
	const char *slash = strrchr(target, '/');
	text_printf(out, 64, "%s", slash ? slash + 1 : "");
	out[strcspn(out, " ")] = '\0'; /* "mcpd (deleted)": of before an upgrade */
}

/* How many seccomp filters it is under; a child has at least its parent's. -1: not to be seen. */
static int filters_of(pid_t pid)
{
	char path[40], line[256];
	int count = -1;
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "Seccomp_filters: %d", &count) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return count;
}

bool identity_is_confined(const struct identity *who)
{
	static const char *const ours[] = {"phony", "mcpd", "voiced", "smsd"};
	char program[64];
	program_of(who->pid, program);
	if (strcmp(program, "callworker") == 0)
		return true;
	/* An MCP client may confine our program as it likes: it could not have become that from a worker. */
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (strcmp(program, ours[i]) == 0)
			return false;
	return filters_of(who->pid) > filters_of(getpid());
}

unsigned identity_roles(const struct identity *who, unsigned wanted, uid_t supervisor)
{
	uid_t we = geteuid();
	/* Of root's processes nothing is to be seen but by root; no worker is among them then. */
	bool confined = (who->uid != 0 || we == 0) && identity_is_confined(who);
	/* A supervisor that is root is asked by phony's user, too. */
	bool fits = who->uid == 0 || who->uid == we || (we == 0 && wanted == ROLE_TOOL);
	if (confined || !fits) {
		log_warn("process %d (user %u) may not speak here: its connection was closed", (int)who->pid,
			 (unsigned)who->uid);
		return 0;
	}
	return who->uid == 0 || who->uid == supervisor ? wanted : wanted & ~(unsigned)ROLE_SUPERVISOR;
}

unsigned identity_roles_of(int fd, unsigned wanted, uid_t supervisor)
{
	struct identity who;
	if (identity_of(fd, &who))
		return identity_roles(&who, wanted, supervisor);
	LOG_OUTSIDE(LOG_SEV_WARN, "who has connected is not known: %s", strerror(errno));
	return 0;
}
