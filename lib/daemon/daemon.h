/*
 * The skeleton of every process that runs libevent: options, configuration,
 * log, inherited descriptors, signals, the supervisor's connection, the end.
 * A main() fills in a struct daemon_spec and returns daemon_main().
 */
#ifndef PHONY_DAEMON_H
#define PHONY_DAEMON_H

#include "lib/config/config.h"
#include "lib/daemon/peer_link.h"

#include <jansson.h>
#include <stdbool.h>

struct daemon {
	struct event_base *base;
	struct config config;
	const char *config_file; /* --config, or NULL */
	struct link *supervisor; /* NULL when started alone */
	uid_t supervisor_uid;    /* the user that it runs as; ours, when started alone */
	bool draining, stepping_down;
	bool misconfigured; /* set by a start that failed: another try would fail as well */
	void *state;        /* the process's own */
};

/* Something else than serving: --NAME runs it, once, and ends with its exit code. */
struct daemon_job {
	const char *name, *help;
	int (*run)(struct daemon *d); /* the loop does not run */
};

struct daemon_spec {
	const char *name;
	enum role role;
	const char *summary;           /* a line for --help */
	bool telephony;                /* PUBLIC_URL and Twilio's settings are needed */
	const struct daemon_job *jobs; /* up to one without a name; or NULL */
	bool any_fd;                   /* the loop has to watch files and terminals, too */

	/* Opens everything; the hello to the supervisor ("ready") follows. False: the process ends. */
	bool (*start)(struct daemon *d);
	/* No new work; call daemon_end when what goes on has ended. NULL: end at once. */
	void (*drain)(struct daemon *d, unsigned seconds);
	/*
	 * Another is to take one's place at once: answer what is in work, begin nothing,
	 * then call daemon_end. NULL: end at once.
	 */
	void (*step_down)(struct daemon *d);
	/* What `phony status` shows; NULL: nothing. */
	json_t *(*status)(struct daemon *d);
	/* Further messages of the supervisor; may be NULL. */
	void (*message)(struct daemon *d, const struct frame *f);
	/* Frees everything, in reverse. Also after a start that failed. */
	void (*stop)(struct daemon *d);
};

int daemon_main(int argc, char **argv, const struct daemon_spec *spec);

/* Leaves the loop: everything is done. */
void daemon_end(struct daemon *d);

/* The next supervisor asks for one's place: given only when one's own is gone. */
void daemon_step_down(struct daemon *d);

/* Prints the table of settings, for --help. */
void daemon_print_settings(void);

#endif
