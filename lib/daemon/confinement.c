#include "lib/daemon/confinement.h"

#include "lib/base/text.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static void put_user(json_t *cell, uid_t uid)
{
	const struct passwd *user = getpwuid(uid);
	char number[24];
	snprintf(number, sizeof number, "%u", (unsigned)uid);
	json_object_set_new(cell, "user", json_text(user ? user->pw_name : number));
}

static void put_limit(json_t *cell, pid_t pid, int resource, const char *name, rlim_t unit)
{
	struct rlimit limit;
	if (prlimit(pid, (__rlimit_resource_t)resource, NULL, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		json_object_set_new(cell, name, json_integer((json_int_t)(limit.rlim_cur / unit)));
}

json_t *cell_of(pid_t pid)
{
	char path[64], line[256];
	unsigned value;
	json_t *cell = json_object();
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return cell;
	while (fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "Uid: %u", &value) == 1)
			put_user(cell, value);
		else if (sscanf(line, "NoNewPrivs: %u", &value) == 1)
			json_object_set_new(cell, "noNewPrivileges", json_boolean(value != 0));
		else if (sscanf(line, "Seccomp: %u", &value) == 1)
			json_object_set_new(cell, "seccomp", json_boolean(value == 2));
	fclose(file);
	put_limit(cell, pid, RLIMIT_AS, "memoryMb", 1024 * 1024);
	put_limit(cell, pid, RLIMIT_CPU, "cpuSeconds", 1);
	put_limit(cell, pid, RLIMIT_NOFILE, "files", 1);
	return cell;
}
