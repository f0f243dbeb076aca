#include "voiced/api/doctor_endpoint.h"

#include "lib/base/buffer.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/daemon/spawn.h"
#include "lib/store/result.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 40000, OUTPUT_MAX = 64 * 1024 };

struct checkup {
	struct voiced *v;
	struct reply reply;
	pid_t pid;
	int fd;
	struct event *readable;
	struct timer patience;
	struct buffer output;
};

/* "fault  PUBLIC_URL: it answers with …" */
static json_t *read_finding(char *line)
{
	static const char *const states[] = {"ok", "fault", "advice"};
	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		size_t len = strlen(states[i]);
		if (strncmp(line, states[i], len) != 0 || line[len] != ' ')
			continue;
		char *what = line + len + strspn(line + len, " "), *words = strstr(what, ": ");
		if (words != NULL) {
			*words = '\0';
			words += 2;
		}
		return json_build("{s:s, s:s, s:s}", "state", states[i], "what", what, "words",
				  words ? words : "");
	}
	return NULL;
}

static void tell(struct checkup *c)
{
	json_t *findings = json_array();
	int faults = 0;
	buffer_append(&c->output, "", 1);
	for (char *rest = (char *)c->output.data, *line; (line = strsep(&rest, "\n")) != NULL;) {
		json_t *finding = read_finding(line);
		if (finding != NULL)
			json_array_append_new(findings, finding);
		faults += finding != NULL && strncmp(line, "fault", 5) == 0;
	}
	if (json_array_size(findings) > 0) {
		answer_success(c->reply, 200,
			       json_build("{s:i, s:o}", "faults", faults, "findings", findings),
			       faults ? "%d fault(s) found" : "No faults found", faults);
		return;
	}
	json_decref(findings);
	answer_error(c->reply, 500, "failed",
		     "It could not be looked; `phony doctor` on the machine says why.");
}

static void end(struct checkup *c)
{
	c->v->checkup = NULL;
	event_free(c->readable);
	timer_stop(&c->patience);
	close(c->fd);
	tell(c);
	buffer_free(&c->output);
	free(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct checkup *c = arg;
	char bytes[4096];
	ssize_t n = read(fd, bytes, sizeof bytes);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		end(c);
	else if (c->output.len + (size_t)n < OUTPUT_MAX)
		buffer_append(&c->output, bytes, (size_t)n);
}

/* What was found so far is told. */
static void on_patience(void *arg)
{
	struct checkup *c = arg;
	kill(c->pid, SIGKILL);
}

void checkup_free(struct checkup **c)
{
	if (*c == NULL)
		return;
	kill((*c)->pid, SIGKILL);
	end(*c);
}

/* The driver of MongoDB counts in shared memory, which a process as short as this would leave behind. */
static const char **environment(void)
{
	size_t count = 0;
	while (environ[count] != NULL)
		count++;
	const char **env = xcalloc(count + 2, sizeof *env);
	memcpy(env, environ, count * sizeof *env);
	env[count] = "MONGOC_DISABLE_SHM=1";
	return env;
}

static pid_t start(const struct voiced *v, int out)
{
	const char *file = v->daemon->config_file, **env = environment();
	char *path = spawn_sibling("voiced");
	const char *const argv[] = {"voiced", "--check", file ? "--config" : NULL, file, NULL};
	struct spawn s = {.path = path, .argv = argv, .envp = env, .stdin_fd = -1, .stdout_fd = out};
	/* The settings in force; the file may be root's alone. */
	int settings = fd_inherited(DOOR_SETTINGS);
	if (settings >= 0)
		s.fds[s.fd_count++] = (struct spawn_fd){settings, DOOR_SETTINGS};
	pid_t pid = spawn_program(&s);
	free(path);
	free(env);
	return pid;
}

void checkup_run(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	int ends[2];
	json_read_open(&r, args);
	if (answer_faults(reply, &r))
		return;
	if (v->checkup != NULL) {
		answer_error(reply, 409, "busy", "It is being looked already; ask again in a moment.");
		return;
	}
	if (pipe2(ends, O_CLOEXEC) != 0) {
		answer_error(reply, 503, "failed", "No pipe can be had: %s", strerror(errno));
		return;
	}
	pid_t pid = start(v, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		answer_error(reply, 500, "failed", "voiced cannot be started: %s", strerror(errno));
		return;
	}
	fd_set_nonblock(ends[0], true);
	struct checkup *c = xcalloc(1, sizeof *c);
	*c = (struct checkup){.v = v, .reply = reply, .pid = pid, .fd = ends[0]};
	v->checkup = c;
	c->readable = event_new(v->base, ends[0], EV_READ | EV_PERSIST, on_readable, c);
	event_add(c->readable, NULL);
	timer_start(&c->patience, v->base, PATIENCE_MS, on_patience, c);
}
