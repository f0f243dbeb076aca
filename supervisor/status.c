/* `phony status` and `phony stats`: what runs, and what it did, asked of the running instance. */
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

struct question {
	const char *socket;
	enum role role;
	enum message message;
	void (*print)(json_t *reply);
};

struct asking {
	struct event_base *base;
	const struct command_options *options;
	const struct question *question;
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

static void print_status(json_t *reply)
{
	json_t *processes = NULL, *process;
	size_t i;
	struct json_reader r;
	json_read_open(&r, reply);
	json_read_any(&r, "processes", JSON_NEEDED, &processes);
	json_array_foreach (processes, i, process)
		print_process(process);
}

static void print_stats(json_t *reply)
{
	const char *status;
	json_t *data = NULL, *statuses = NULL, *count;
	int64_t calls = 0, inbound = 0, outbound = 0, answered = 0, talked = 0;
	int64_t responses = 0, average_ms = 0, interruptions = 0, credits = 0;
	struct json_reader r;
	json_read_open(&r, reply);
	json_read_object(&r, "data", JSON_NEEDED, &data);
	json_read_open(&r, data);
	json_read_int(&r, "calls", JSON_NEEDED, 0, INT64_MAX, &calls);
	json_read_int(&r, "inbound", JSON_NEEDED, 0, INT64_MAX, &inbound);
	json_read_int(&r, "outbound", JSON_NEEDED, 0, INT64_MAX, &outbound);
	json_read_int(&r, "answered", JSON_NEEDED, 0, INT64_MAX, &answered);
	json_read_int(&r, "totalSeconds", JSON_NEEDED, 0, INT64_MAX, &talked);
	json_read_int(&r, "responses", JSON_NEEDED, 0, INT64_MAX, &responses);
	json_read_int(&r, "responseAverageMs", JSON_NEEDED, 0, INT64_MAX, &average_ms);
	json_read_int(&r, "interruptions", JSON_NEEDED, 0, INT64_MAX, &interruptions);
	json_read_int(&r, "credits", JSON_NEEDED, 0, INT64_MAX, &credits);
	json_read_object(&r, "byStatus", JSON_NEEDED, &statuses);
	printf("calls        %lld (%lld placed, %lld came in)\n", (long long)calls, (long long)outbound,
	       (long long)inbound);
	printf("answered     %lld\n", (long long)answered);
	printf("talked       %lld:%02lld:%02lld\n", (long long)(talked / 3600), (long long)(talked / 60 % 60),
	       (long long)(talked % 60));
	if (responses > 0)
		printf("responses    %lld, after %lld ms on average; %lld interruptions\n",
		       (long long)responses, (long long)average_ms, (long long)interruptions);
	if (credits > 0)
		printf("ElevenLabs   %lld credits\n", (long long)credits);
	json_object_foreach (statuses, status, count)
		printf("%-12s %lld\n", status, (long long)json_integer_value(count));
}

static void on_reply(void *arg, json_t *reply, const struct peer_error *error)
{
	struct asking *a = arg;
	if (error != NULL) {
		fprintf(stderr, "phony: %s\n", error->message);
		a->exit_code = EXIT_FAILED;
	} else if (a->options->json) {
		json_dumpf(reply, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		a->question->print(reply);
	}
	event_base_loopbreak(a->base);
}

static void on_hello(struct peer *p, enum role role, pid_t pid, void *arg)
{
	(void)role;
	struct asking *a = arg;
	if (!a->options->json && a->question->role == ROLE_SUPERVISOR)
		printf("phony    running          pid %d\n", (int)pid);
	peer_ask(p, a->question->message, json_object(), TIMEOUT_MS, on_reply, a);
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

static int ask(const struct command_options *o, const struct question *question)
{
	struct asking a = {.options = o, .question = question};
	struct config config;
	struct buffer faults = {0};
	config_load(&config, o->config_file, &faults);
	char *path = config_run_path(&config, question->socket);
	int fd = fd_unix_connect(path);
	if (fd < 0) {
		printf("phony is not running (nobody listens on %s)\n", path);
		a.exit_code = EXIT_FAILED;
	} else {
		a.base = loop_new(false);
		a.link = link_new(a.base, fd, ROLE_TOOL, question->role, &events, &a);
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

int command_status(const struct command_options *o)
{
	static const struct question status = {SOCKET_SUPERVISOR, ROLE_SUPERVISOR, MSG_STATUS, print_status};
	return ask(o, &status);
}

int command_stats(const struct command_options *o)
{
	static const struct question stats = {SOCKET_VOICED, ROLE_VOICED, MSG_STATS, print_stats};
	return ask(o, &stats);
}
