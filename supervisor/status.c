/* `phony status`: what runs, asked of the running instance. */
#include "supervisor/commands.h"

#include "lib/base/config.h"
#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/json_read.h"
#include "lib/daemon/link.h"
#include "lib/loop/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 5000 };

struct asking {
	struct event_base *base;
	const struct command_options *options;
	struct link *link;
	int exit_code;
};

static void print_process(json_t *process)
{
	const char *name = "", *state = "";
	int64_t pid = 0, starts = 0, live = 0, clients = 0;
	json_t *detail = NULL;
	struct json_reader r;
	json_read_open(&r, process);
	json_read_text(&r, "name", JSON_NEEDED, 1, 32, &name);
	json_read_text(&r, "state", JSON_NEEDED, 1, 32, &state);
	json_read_int(&r, "pid", JSON_NEEDED, 0, INT32_MAX, &pid);
	json_read_int(&r, "starts", JSON_NEEDED, 0, INT32_MAX, &starts);
	json_read_object(&r, "detail", JSON_OPTIONAL, &detail);
	printf("%-8s %-16s pid %-7d starts %d", name, state, (int)pid, (int)starts);
	if (detail != NULL && strcmp(name, "voiced") == 0) {
		const char *store = "?";
		json_read_open(&r, detail);
		json_read_int(&r, "liveCalls", JSON_OPTIONAL, 0, INT32_MAX, &live);
		json_read_int(&r, "clients", JSON_OPTIONAL, 0, INT32_MAX, &clients);
		json_read_text(&r, "store", JSON_OPTIONAL, 1, 32, &store);
		printf("   live calls %d   MCP clients %d   store %s", (int)live, (int)clients, store);
	}
	putchar('\n');
}

static void on_status(void *arg, json_t *reply, const struct peer_error *error)
{
	struct asking *a = arg;
	json_t *processes = NULL, *process;
	size_t i;
	if (error != NULL) {
		fprintf(stderr, "phony: %s\n", error->message);
		a->exit_code = EXIT_FAILED;
	} else if (a->options->json) {
		json_dumpf(reply, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		struct json_reader r;
		json_read_open(&r, reply);
		json_read_any(&r, "processes", JSON_NEEDED, &processes);
		json_array_foreach (processes, i, process)
			print_process(process);
	}
	event_base_loopbreak(a->base);
}

static void on_hello(struct peer *p, enum role role, pid_t pid, void *arg)
{
	(void)role;
	struct asking *a = arg;
	if (!a->options->json)
		printf("phony    running          pid %d\n", (int)pid);
	peer_ask(p, MSG_STATUS, json_object(), TIMEOUT_MS, on_status, a);
}

static void on_message(struct peer *p, const struct frame *f, int fd, void *arg)
{
	(void)p;
	(void)f;
	(void)arg;
	fd_close(&fd);
}

static void on_gone(struct peer *p, const char *why, void *arg)
{
	(void)p;
	struct asking *a = arg;
	fprintf(stderr, "phony: the running instance has gone away: %s\n", why);
	a->exit_code = EXIT_FAILED;
	event_base_loopbreak(a->base);
}

static const struct peer_handler events = {on_hello, on_message, on_gone, NULL};

int command_status(const struct command_options *o)
{
	struct asking a = {.options = o};
	struct config config;
	struct buffer faults = {0};
	config_load(&config, o->config_file, &faults);
	char *path = config_run_path(&config, SOCKET_SUPERVISOR);
	int fd = fd_unix_connect(path);
	if (fd < 0) {
		printf("phony is not running (nobody listens on %s)\n", path);
		a.exit_code = EXIT_FAILED;
	} else {
		a.base = loop_new(false);
		a.link = link_new(a.base, fd, ROLE_TOOL, ROLE_SUPERVISOR, &events, &a);
		event_base_dispatch(a.base);
		link_free(&a.link);
		event_base_loop(a.base, EVLOOP_NONBLOCK);
		event_base_free(a.base);
	}
	free(path);
	buffer_free(&faults);
	config_free(&config);
	return a.exit_code;
}
