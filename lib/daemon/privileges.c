#include "lib/daemon/privileges.h"

#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 20, GROUPS_MAX = 256, PATH_SIZE = 4096 };

struct user {
	uid_t uid;
	gid_t gid;
	const char *name;
};

static bool find_user(const struct config *c, struct user *u, char *why, size_t size)
{
	const char *name = c->run_as[0] ? c->run_as : "phony";
	const struct passwd *found = getpwnam(name);
	if (found != NULL)
		*u = (struct user){found->pw_uid, found->pw_gid, name};
	else if (c->run_as[0])
		text_printf(why, size,
			    "RUN_AS: there is no user %s; make one (adduser --system --group %s), or set "
			    "RUN_AS to "
			    "another",
			    name, name);
	else
		text_printf(
			why, size,
			"RUN_AS is not set, and there is no user phony for the daemons; make one (adduser "
			"--system --group --no-create-home --home /var/lib/phony phony), or set RUN_AS to "
			"the "
			"user that they are to run as");
	return found != NULL;
}

bool privileges_check(const struct config *c, char *why, size_t size)
{
	struct user u;
	return geteuid() != 0 || find_user(c, &u, why, size);
}

/* The kernel hides a process whose user has changed; under the leak detector it has to be seen. */
static void stay_visible(void)
{
#if defined(__SANITIZE_ADDRESS__)
	prctl(PR_SET_DUMPABLE, 1);
#endif
}

bool privileges_drop(const struct config *c, char *why, size_t size)
{
	struct user u;
	if (geteuid() == 0) {
		if (!find_user(c, &u, why, size))
			return false;
		if (u.uid != 0 && (setgroups(0, NULL) != 0 || setresgid(u.gid, u.gid, u.gid) != 0 ||
				   setresuid(u.uid, u.uid, u.uid) != 0)) {
			text_printf(why, size, "root cannot be given away: %s", strerror(errno));
			return false;
		}
		/* Hidden from its new user: a worker cannot read the keys in its environment. */
		stay_visible();
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		log_warn("this kernel knows no PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
	return true;
}

/* ---- acting as the daemons' user ---- */

static gid_t root_groups[GROUPS_MAX];
static int root_group_count = -1; /* -1: root acts as itself */

void privileges_as_user(const struct config *c)
{
	char why[400];
	struct user u;
	if (geteuid() != 0)
		return;
	if (!find_user(c, &u, why, sizeof why))
		fatal(EXIT_CONFIG, "%s", why);
	if (u.uid == 0)
		return;
	int count = getgroups(GROUPS_MAX, root_groups);
	if (count < 0 || setgroups(0, NULL) != 0 || setegid(u.gid) != 0 || seteuid(u.uid) != 0)
		fatal(EXIT_FAILED, "files cannot be opened as the user %s: %s", u.name, strerror(errno));
	root_group_count = count;
	stay_visible();
}

void privileges_as_root(void)
{
	if (root_group_count < 0)
		return;
	if (seteuid(0) != 0 || setegid(0) != 0 || setgroups((size_t)root_group_count, root_groups) != 0)
		fatal(EXIT_FAILED, "root cannot be had back: %s", strerror(errno));
	root_group_count = -1;
	prctl(PR_SET_DUMPABLE, 1); /* it is root's alone again */
}

/* ---- the two folders ---- */

/* Root's, and nobody else can rename or replace what is in it. */
static bool only_root_changes(const struct stat *st)
{
	return st->st_uid == 0 && ((st->st_mode & (S_IWGRP | S_IWOTH)) == 0 || (st->st_mode & S_ISVTX) != 0);
}

static bool is_empty(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	bool empty = dir != NULL;
	while (empty && (entry = readdir(dir)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (dir != NULL)
		closedir(dir);
	else
		fd_close(&copy);
	return empty;
}

/* Puts a link's target in place of its name, before the rest of the path. False: it is no link of root's. */
static bool follow(int dir, const char *name, char rest[PATH_SIZE])
{
	char target[PATH_SIZE], whole[PATH_SIZE];
	struct stat st;
	ssize_t n = readlinkat(dir, name, target, sizeof target - 1);
	if (n < 0 && errno == EINVAL) /* no link */
		errno = ENOTDIR;
	if (n <= 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_uid != 0)
		return false;
	target[n] = '\0';
	if (snprintf(whole, sizeof whole, "%s/%s", target, rest) >= (int)sizeof whole)
		return false;
	memcpy(rest, whole, strlen(whole) + 1);
	return true;
}

/*
 * Opens a folder, making what is missing of its path; every folder above it is one
 * that only root changes, so what was looked at stays what it was. -1 with errno;
 * EACCES: somebody else could change a folder above.
 */
static int open_folder(const char *path, bool *made)
{
	char rest[PATH_SIZE], name[PATH_SIZE];
	struct stat st;
	int links = 0;
	if (snprintf(rest, sizeof rest, "%s", path) >= (int)sizeof rest) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*made = false;
	for (;;) {
		if (rest[0] == '/') {
			fd_close(&dir);
			dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		}
		const char *at = rest + strspn(rest, "/");
		size_t len = strcspn(at, "/");
		if (len == 0 || dir < 0)
			return dir;
		memcpy(name, at, len);
		name[len] = '\0';
		at += len + strspn(at + len, "/");
		memmove(rest, at, strlen(at) + 1);
		if (fstat(dir, &st) != 0 || !only_root_changes(&st)) {
			errno = EACCES;
			break;
		}
		*made = mkdirat(dir, name, rest[0] ? 0755 : 0700) == 0;
		int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next >= 0) {
			if (*made && rest[0])
				fchmod(next, 0755); /* whatever the umask */
			fd_close(&dir);
			dir = next;
		} else if ((errno != ELOOP && errno != ENOTDIR) || ++links > LINKS_MAX ||
			   !follow(dir, name, rest)) {
			break;
		}
	}
	int saved = errno;
	fd_close(&dir);
	errno = saved;
	return -1;
}

struct folder {
	const char *name, *path;
};

/* As root: the folder is there, and the daemons' user's. */
static bool make_for(const struct user *u, const struct folder *f, char *why, size_t size)
{
	struct stat st;
	bool made;
	int fd = open_folder(f->path, &made);
	if (fd < 0) {
		const char *reason =
			errno == EACCES ? "a folder above it is not root's alone" : strerror(errno);
		text_printf(why, size,
			    "%s %s cannot be made: %s; make it yourself (install -d -o %s -m 700 %s)",
			    f->name, f->path, reason, u->name, f->path);
		return false;
	}
	bool ok = fstat(fd, &st) == 0;
	if (ok && st.st_uid == 0 && (made || is_empty(fd)))
		ok = fchmod(fd, 0700) == 0 && fchown(fd, u->uid, u->gid) == 0;
	else if (ok && st.st_uid == 0) {
		text_printf(why, size,
			    "%s %s is root's and not empty: give it to the daemons' user (chown -R %s: %s), "
			    "or set "
			    "RUN_AS=root",
			    f->name, f->path, u->name, f->path);
		close(fd);
		return false;
	}
	if (!ok)
		text_printf(why, size, "%s %s cannot be given to %s: %s", f->name, f->path, u->name,
			    strerror(errno));
	close(fd);
	return ok;
}

/* Of whom we act as, and nobody else's to write in. Made where it is missing. */
static bool is_ours(const struct folder *f, char *why, size_t size)
{
	struct stat st;
	if (!config_make_dir(f->path)) {
		text_printf(why, size, "%s %s cannot be made: %s", f->name, f->path, strerror(errno));
		return false;
	}
	if (stat(f->path, &st) != 0 || faccessat(AT_FDCWD, f->path, R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
		text_printf(why, size,
			    "%s %s is out of reach for the user that the daemons run as (uid %u): a folder "
			    "above it "
			    "is closed to others (chmod o+x), or it is somebody else's; or set RUN_AS=root",
			    f->name, f->path, (unsigned)geteuid());
		return false;
	}
	if (st.st_uid != geteuid() || (st.st_mode & S_IWOTH)) {
		text_printf(
			why, size,
			"%s %s must belong to the user that the daemons run as (uid %u), and be writable by "
			"nobody else; it is of uid %u, mode %o: chown and chmod it, or set %s to another "
			"folder",
			f->name, f->path, (unsigned)geteuid(), (unsigned)st.st_uid,
			(unsigned)st.st_mode & 07777, f->name);
		return false;
	}
	return true;
}

static bool is_theirs(const struct config *c, const struct folder *f, char *why, size_t size)
{
	privileges_as_user(c);
	bool ok = is_ours(f, why, size);
	privileges_as_root();
	return ok;
}

bool privileges_make_dirs(const struct config *c, char *why, size_t size)
{
	const struct folder folders[] = {{"STATE_DIR", c->state_dir}, {"RUN_DIR", c->run_dir}};
	struct user u = {0};
	if (geteuid() == 0 && !find_user(c, &u, why, size))
		return false;
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
		if (!is_theirs(c, &folders[i], why, size) &&
		    (u.uid == 0 || !make_for(&u, &folders[i], why, size) ||
		     !is_theirs(c, &folders[i], why, size)))
			return false;
	return true;
}
