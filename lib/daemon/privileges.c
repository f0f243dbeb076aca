#include "lib/daemon/privileges.h"

#include "lib/base/log.h"
#include "lib/base/text.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct user {
	uid_t uid;
	gid_t gid;
};

static bool find_user(const struct config *c, struct user *u, char *why, size_t size)
{
	const char *const names[] = {c->run_as, "phony", "nobody"};
	for (size_t i = c->run_as[0] ? 0 : 1; i < sizeof names / sizeof *names; i++) {
		const struct passwd *found = getpwnam(names[i]);
		if (found != NULL) {
			*u = (struct user){found->pw_uid, found->pw_gid};
			return true;
		}
		if (i == 0)
			break;
	}
	text_printf(why, size,
		    "RUN_AS: there is no user %s; make one (adduser --system), or set RUN_AS to another",
		    c->run_as[0] ? c->run_as : "phony or nobody");
	return false;
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
		/*
		 * The kernel now hides the process from its new user, so that a worker cannot
		 * read the keys in its environment; the leak detector has to see it, though.
		 */
#if defined(__SANITIZE_ADDRESS__)
		prctl(PR_SET_DUMPABLE, 1);
#endif
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		log_warn("this kernel knows no PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
	return true;
}

/* nftw takes no argument. */
static struct user new_owner;

/* Only what root owns under one name: nobody gets another's file by a link put there. */
static int give(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)type;
	(void)ftw;
	bool single = S_ISDIR(st->st_mode) ||
		      ((S_ISREG(st->st_mode) || S_ISSOCK(st->st_mode)) && st->st_nlink == 1);
	if (single && st->st_uid == 0 && lchown(path, new_owner.uid, new_owner.gid) != 0)
		log_warn("%s cannot be given to the daemons: %s", path, strerror(errno));
	return 0;
}

void privileges_give(const struct config *c, const char *path)
{
	enum { FOLDERS_OPEN = 16 };
	char why[300];
	if (geteuid() != 0)
		return;
	if (find_user(c, &new_owner, why, sizeof why) && new_owner.uid != 0)
		nftw(path, give, FOLDERS_OPEN, FTW_PHYS);
}

/* Whether that user gets to a folder and may write there; asked by a process that is one. */
static bool can_use(const struct user *u, const char *path)
{
	int status = -1;
	pid_t pid = fork();
	if (pid == 0)
		_exit(setgroups(0, NULL) == 0 && setresgid(u->gid, u->gid, u->gid) == 0 &&
				      setresuid(u->uid, u->uid, u->uid) == 0 &&
				      access(path, R_OK | W_OK | X_OK) == 0
			      ? 0
			      : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

bool privileges_make_dirs(const struct config *c, char *why, size_t size)
{
	const struct {
		const char *name, *path;
	} dirs[] = {{"STATE_DIR", c->state_dir}, {"RUN_DIR", c->run_dir}};
	struct user u = {0}; /* stays so unless we may become another user */
	if (geteuid() == 0 && !find_user(c, &u, why, size))
		return false;
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
		if (!config_make_dir(dirs[i].path)) {
			text_printf(why, size, "%s %s cannot be made: %s", dirs[i].name, dirs[i].path,
				    strerror(errno));
			return false;
		}
		privileges_give(c, dirs[i].path);
		if (u.uid != 0 && !can_use(&u, dirs[i].path)) {
			text_printf(
				why, size,
				"%s %s is out of reach for the user that the daemons run as (uid %u): a "
				"folder "
				"above it is closed to others (chmod o+x), or it is somebody else's; or set "
				"RUN_AS=root",
				dirs[i].name, dirs[i].path, (unsigned)u.uid);
			return false;
		}
	}
	return true;
}
