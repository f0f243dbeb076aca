#include "lib/daemon/daemon.h"

#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/version.h"
#include "lib/daemon/lock_file.h"
#include "lib/daemon/peer_identity.h"
#include "lib/daemon/privileges.h"
#include "lib/daemon/spawn.h"
#include "lib/loop/loop.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	VOICED_CHECK_MS = 300,
	/* Nobody will ask again: calls are finished, however long they take. */
	ORPHAN_DRAIN_S = 4 * 3600,
};

struct running {
	struct daemon d; /* first: what is given out is this */
	const struct daemon_spec *spec;
	struct event *term, *interrupt;
	unsigned signals;
	struct timer voiced_check;
};

void daemon_end(struct daemon *d)
{
	event_base_loopbreak(d->base);
}

static void drain(struct running *r, unsigned seconds, const char *why)
{
	if (r->d.draining)
		return;
	log_info("ending: %s", why);
	r->d.draining = true;
	if (r->spec->drain)
		r->spec->drain(&r->d, seconds);
	else
		daemon_end(&r->d);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	struct running *r = arg;
	if (r->signals++ > 0)
		daemon_end(&r->d);
	else
		drain(r, r->d.config.drain_s, "a signal asks for it");
}

static void on_drain(struct running *r, const struct frame *f)
{
	int64_t seconds = 0;
	struct json_reader reader;
	json_read_open(&reader, f->body);
	json_read_int(&reader, "seconds", JSON_OPTIONAL, 0, 86400, &seconds);
	drain(r, (unsigned)seconds, "the supervisor asks for it");
}

static void step_down(struct running *r)
{
	if (r->d.stepping_down)
		return;
	log_info("ending: another takes this place");
	r->d.stepping_down = true;
	if (r->spec->step_down)
		r->spec->step_down(&r->d);
	else
		daemon_end(&r->d);
}

void daemon_step_down(struct daemon *d)
{
	if (d->supervisor == NULL)
		step_down((struct running *)d);
	else
		log_warn("somebody asks for this place while our supervisor lives: refused");
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	struct running *r = arg;
	fd_close(&fd);
	switch (f->type) {
	case MSG_STEP_DOWN:
		step_down(r);
		return;
	case MSG_DRAIN:
		on_drain(r, f);
		return;
	case MSG_ALIVE:
		peer_reply(p, f, json_object());
		return;
	case MSG_STATUS:
		peer_reply(p, f, r->spec->status ? r->spec->status(&r->d) : json_object());
		return;
	default:
		if (r->spec->message)
			r->spec->message(&r->d, f);
	}
}

/* voiced needs the others for as long as it has calls. */
static void check_voiced(void *arg)
{
	struct running *r = arg;
	if (daemon_is_there(&r->d.config, "voiced"))
		timer_start(&r->voiced_check, r->d.base, VOICED_CHECK_MS, check_voiced, r);
	else
		drain(r, 0, "the supervisor and voiced have gone away");
}

/* Calls go on: until they are over, or the next supervisor asks for our place. */
static void on_supervisor_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	(void)why;
	struct running *r = arg;
	link_free(&r->d.supervisor);
	if (r->d.draining || r->d.stepping_down)
		return;
	log_warn("the supervisor has gone away");
	if (r->spec->role == ROLE_VOICED)
		drain(r, ORPHAN_DRAIN_S, "the supervisor has gone away");
	else
		check_voiced(r);
}

static const struct peer_handler supervisor_handler = {NULL, on_message, on_supervisor_gone, NULL};

void daemon_print_settings(void)
{
	puts("\nSettings, from the environment or KEY=value lines in /etc/phony/phony.env, or in the "
	     "FILE of --config instead:");
#define TEXT ""
#define SECRET ""
#define URL_HTTP ""
#define URL_WS ""
#define NUMBER ""
#define NUMBERS ""
#define SID ""
#define CHOICE ""
#define BOOL ""
#define UINT(min, max) ""
#define SETTING(kind, field, name, alias, fallback, help)                             \
	printf("  %-30s %s%s%s%s\n", name, help, (fallback)[0] ? " (" : "", fallback, \
	       (fallback)[0] ? ")" : "");
#include "lib/config/settings.h"
#undef SETTING
}

/* That the settings were read says that they are right. */
static int check_settings(struct daemon *d)
{
	(void)d;
	return EXIT_OK;
}

static const struct daemon_job *jobs_of(const struct daemon_spec *spec)
{
	static const struct daemon_job usual[] = {{"check", "check the settings and end", check_settings},
						  {0}};
	return spec->jobs ? spec->jobs : usual;
}

static void usage(FILE *out, const struct daemon_spec *spec)
{
	fprintf(out,
		"usage: %s [--config FILE] [OPTION]\n\n%s\n\n"
		"  --config FILE  read settings from FILE\n"
		"  --help         this\n"
		"  --version      the version\n",
		spec->name, spec->summary);
	for (const struct daemon_job *job = jobs_of(spec); job->name != NULL; job++)
		fprintf(out, "  --%-12s %s\n", job->name, job->help);
}

/* -1: go on; else an exit code. */
static int read_options(int argc, char **argv, struct running *r, const struct daemon_job **job)
{
	enum { JOBS_MAX = 8, FIXED = 3, FIRST_JOB = 256 };
	struct option options[JOBS_MAX + FIXED + 1] = {{"config", required_argument, NULL, 'c'},
						       {"help", no_argument, NULL, 'h'},
						       {"version", no_argument, NULL, 'v'}};
	const struct daemon_job *jobs = jobs_of(r->spec);
	int option;
	for (int i = 0; i < JOBS_MAX && jobs[i].name != NULL; i++)
		options[FIXED + i] = (struct option){jobs[i].name, no_argument, NULL, FIRST_JOB + i};
	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option >= FIRST_JOB) {
			*job = &jobs[option - FIRST_JOB];
		} else if (option == 'c') {
			r->d.config_file = optarg;
		} else if (option == 'h') {
			usage(stdout, r->spec);
			daemon_print_settings();
			return EXIT_OK;
		} else if (option == 'v') {
			printf("%s " PHONY_VERSION "\n", r->spec->name);
			return EXIT_OK;
		} else {
			usage(stderr, r->spec);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		usage(stderr, r->spec);
		return EXIT_USAGE;
	}
	return -1;
}

static int read_config(struct running *r)
{
	struct buffer faults = {0};
	unsigned count = config_load(&r->d.config, r->d.config_file, &faults);
	if (r->spec->telephony)
		count += config_require_telephony(&r->d.config, &faults);
	if (count > 0)
		fwrite(faults.data, 1, faults.len, stderr);
	buffer_free(&faults);
	enum log_severity severity = LOG_SEV_INFO;
	log_parse_severity(r->d.config.log_level, &severity);
	log_open(r->spec->name, severity, strcmp(r->d.config.log_format, "json") == 0);
	return count > 0 ? EXIT_CONFIG : -1;
}

/*
 * Root is needed to read the settings, and by `phony mcp`, which may have to
 * bring an instance up; by nobody else.
 */
static int drop_root(struct running *r, bool job)
{
	char why[500];
	if (!job && fd_inherited(DOOR_SUPERVISOR) < 0)
		return -1;
	spawn_keep_folder();
	if (privileges_drop(&r->d.config, why, sizeof why))
		return -1;
	log_error("%s", why);
	return EXIT_CONFIG;
}

/* As many descriptors as may be: connections are many, and the usual 1024 few. */
static void raise_descriptors(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static void connect_supervisor(struct running *r)
{
	int fd = fd_inherited(DOOR_SUPERVISOR);
	if (fd >= 0)
		r->d.supervisor =
			link_new(r->d.base, fd, r->spec->role, ROLE_SUPERVISOR, &supervisor_handler, r);
}

static int run(struct running *r)
{
	struct identity supervisor = {0, geteuid()};
	int fd = fd_inherited(DOOR_SUPERVISOR);
	if (fd >= 0 && !identity_of(fd, &supervisor))
		log_warn("the supervisor's user is not known: %s", strerror(errno));
	r->d.supervisor_uid = supervisor.uid;
	int mine = daemon_take_place(&r->d.config, r->spec->name);
	if (mine < 0)
		return EXIT_FAILED;
	bool started = r->spec->start(&r->d);
	if (started) {
		connect_supervisor(r);
		event_base_dispatch(r->d.base);
	}
	timer_stop(&r->voiced_check);
	r->spec->stop(&r->d);
	close(mine);
	link_free(&r->d.supervisor);
	/* What was put off to the loop: objects freeing themselves. */
	event_base_loop(r->d.base, EVLOOP_NONBLOCK);
	return started ? EXIT_OK : r->d.misconfigured ? EXIT_CONFIG : EXIT_FAILED;
}

int daemon_main(int argc, char **argv, const struct daemon_spec *spec)
{
	struct running r = {.spec = spec};
	const struct daemon_job *job = NULL;
	bool supervised = fd_inherited(DOOR_SUPERVISOR) >= 0;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write(2) */
	signal(SIGHUP, SIG_IGN);
	if (supervised)
		signal(SIGINT, SIG_IGN); /* Ctrl-C is phony's, which lets calls go on */
	umask(077);
	panic_without_memory();
	int code = read_options(argc, argv, &r, &job);
	if (code < 0)
		code = read_config(&r);
	if (code < 0)
		code = drop_root(&r, job != NULL);
	if (code < 0 && job != NULL) {
		r.d.base = loop_new(spec->any_fd);
		code = job->run(&r.d);
		event_base_free(r.d.base);
	}
	if (code < 0) {
		raise_descriptors();
		r.d.base = loop_new(spec->any_fd);
		r.term = evsignal_new(r.d.base, SIGTERM, on_signal, &r);
		evsignal_add(r.term, NULL);
		if (!supervised) {
			r.interrupt = evsignal_new(r.d.base, SIGINT, on_signal, &r);
			evsignal_add(r.interrupt, NULL);
		}
		code = run(&r);
		event_free(r.term);
		if (r.interrupt != NULL)
			event_free(r.interrupt);
		event_base_free(r.d.base);
	}
	config_free(&r.d.config);
	libevent_global_shutdown();
	return code;
}
