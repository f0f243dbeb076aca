/* What root does to STATE_DIR and RUN_DIR, which belong to another user. */
#include "lib/daemon/privileges.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[] = "/tmp/phony-privileges-XXXXXX";
static const struct passwd *other;

static char *path_of(const char *name)
{
	char *path;
	assert_true(asprintf(&path, "%s/%s", base, name) > 0);
	return path;
}

static struct config config_of(const char *state, const char *run)
{
	struct config c = {0};
	c.run_as = strdup("nobody");
	c.state_dir = path_of(state);
	c.run_dir = path_of(run);
	return c;
}

static void forget(struct config *c)
{
	free(c->run_as);
	free(c->state_dir);
	free(c->run_dir);
}

static uid_t owner_of(const char *name)
{
	struct stat st;
	char *path = path_of(name);
	assert_int_equal(lstat(path, &st), 0);
	free(path);
	return st.st_uid;
}

static void make_file(const char *name)
{
	char *path = path_of(name);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	free(path);
}

static void make_folder(const char *name, uid_t uid)
{
	char *path = path_of(name);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, 0755), 0); /* whatever the umask */
	assert_int_equal(chown(path, uid, (gid_t)-1), 0);
	free(path);
}

static void test_makes_two_folders(void **state)
{
	(void)state;
	char why[700] = "";
	struct stat st;
	struct config c = config_of("deep/er/state", "run");
	umask(077);
	assert_true(privileges_make_dirs(&c, why, sizeof why));
	assert_int_equal(stat(c.state_dir, &st), 0);
	assert_int_equal(st.st_uid, other->pw_uid);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(owner_of("run"), other->pw_uid);
	assert_int_equal(owner_of("deep/er"), 0);
	/* And nothing below them, whatever lies there. */
	make_file("deep/er/state/roots");
	assert_true(privileges_make_dirs(&c, why, sizeof why));
	assert_int_equal(owner_of("deep/er/state/roots"), 0);
	forget(&c);
}

static void refused(const char *state, const char *words)
{
	char why[700] = "";
	struct config c = config_of(state, "run");
	assert_false(privileges_make_dirs(&c, why, sizeof why));
	if (strstr(why, words) == NULL)
		fail_msg("%s: %s", state, why);
	forget(&c);
}

static void test_gives_nothing_else_away(void **state)
{
	(void)state;
	/* Root's, with something in it: another service's folder, a mistyped name. */
	make_folder("full", 0);
	make_file("full/file");
	refused("full", "not empty");
	assert_int_equal(owner_of("full"), 0);
	/* A third user's. */
	make_folder("third", 1);
	refused("third", "somebody else's");
	/* Below a folder that somebody else can change. */
	make_folder("open", 0);
	char *open_folder = path_of("open");
	assert_int_equal(chmod(open_folder, 0777), 0);
	free(open_folder);
	make_folder("open/state", 0);
	refused("open/state", "not root's alone");
	assert_int_equal(owner_of("open/state"), 0);
	/* A link of the daemons' user to something of root's. */
	make_folder("target", 0);
	char *link = path_of("link"), *target = path_of("target");
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(lchown(link, other->pw_uid, other->pw_gid), 0);
	refused("link", "");
	assert_int_equal(owner_of("target"), 0);
	free(link);
	free(target);
	make_folder("writable", other->pw_uid);
	char *writable = path_of("writable");
	assert_int_equal(chmod(writable, 0777), 0);
	free(writable);
	refused("writable", "writable by");
}

static void test_follows_roots_own_links(void **state)
{
	(void)state;
	char why[700] = "";
	make_folder("elsewhere", 0);
	char *link = path_of("roots-link");
	assert_int_equal(symlink("./elsewhere", link), 0);
	struct config c = config_of("roots-link/state", "run");
	assert_true(privileges_make_dirs(&c, why, sizeof why));
	assert_int_equal(owner_of("elsewhere/state"), other->pw_uid);
	free(link);
	forget(&c);
}

/* As a file system that was just mounted is: root's, empty, writable by everybody. */
static void test_takes_an_empty_folder(void **state)
{
	(void)state;
	char why[700] = "";
	struct stat st;
	make_folder("mounted", 0);
	struct config c = config_of("mounted", "run");
	assert_int_equal(chmod(c.state_dir, 01777), 0);
	assert_true(privileges_make_dirs(&c, why, sizeof why));
	assert_int_equal(stat(c.state_dir, &st), 0);
	assert_int_equal(st.st_uid, other->pw_uid);
	assert_int_equal(st.st_mode & 07777, 0700);
	forget(&c);
}

static void test_acts_as_the_user(void **state)
{
	(void)state;
	struct config c = config_of("x", "y");
	make_folder("theirs", other->pw_uid);
	privileges_as_user(&c);
	make_file("theirs/file");
	char *roots = path_of("full/file");
	assert_int_equal(open(roots, O_RDONLY), -1);
	free(roots);
	privileges_as_root();
	assert_int_equal(geteuid(), 0);
	assert_int_equal(owner_of("theirs/file"), other->pw_uid);
	forget(&c);
}

static void test_no_user_is_assumed(void **state)
{
	(void)state;
	char why[700] = "";
	struct config c = config_of("z", "z-run");
	free(c.run_as);
	c.run_as = strdup("no-such-user-here");
	assert_false(privileges_make_dirs(&c, why, sizeof why));
	assert_non_null(strstr(why, "RUN_AS"));
	free(c.run_as);
	c.run_as = strdup("");
	bool ok = privileges_make_dirs(&c, why, sizeof why);
	const struct passwd *phony = getpwnam("phony");
	assert_int_equal(ok, phony != NULL);
	if (ok)
		assert_int_equal(owner_of("z"), phony->pw_uid);
	else
		assert_non_null(strstr(why, "there is no user phony"));
	forget(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_makes_two_folders),       cmocka_unit_test(test_gives_nothing_else_away),
		cmocka_unit_test(test_follows_roots_own_links), cmocka_unit_test(test_takes_an_empty_folder),
		cmocka_unit_test(test_acts_as_the_user),
		cmocka_unit_test(test_no_user_is_assumed),
	};
	other = getpwnam("nobody");
	if (geteuid() != 0 || other == NULL || mkdtemp(base) == NULL) {
		print_message("[  PASSED  ] 0 test(s): only root can try this\n");
		return 0;
	}
	chmod(base, 0755);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	char command[100];
	snprintf(command, sizeof command, "rm -rf %s", base);
	if (system(command) != 0)
		return 1;
	return failed;
}
