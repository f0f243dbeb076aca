/* `phony status`, `stats` and `upgrade`: asked of the running instance. */
#include "supervisor/commands.h"

#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/json_read.h"
#include "lib/config/config.h"
#include "lib/daemon/peer_link.h"
#include "lib/loop/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_MS = 5000 };

struct question {
	const char *socket;
	enum role role;
	enum message message;
	void (*print)(json_t *reply);
	bool ends; /* the instance that answers then becomes another */
};

struct asking {
	struct event_base *base;
	const struct command_options *options;
	const struct question *question;
	struct link *link;
	bool answered;
	int exit_code;
};

/* "user nobody, no new privileges, seccomp, Landlock 7, 256 MB, 1800 s of CPU, 64 files" */
static void print_cell(json_t *cell)
{
	const char *user = "?";
	bool no_new = false, seccomp = false;
	int64_t landlock = 0, memory = 0, cpu = 0, files = 0;
	struct json_reader r;
	json_read_open(&r, cell);
	json_read_text(&r, "user", JSON_OPTIONAL, 1, 64, &user);
	json_read_bool(&r, "noNewPrivileges", JSON_OPTIONAL, &no_new);
	json_read_bool(&r, "seccomp", JSON_OPTIONAL, &seccomp);
	json_read_int(&r, "landlock", JSON_OPTIONAL, 0, INT32_MAX, &landlock);
	json_read_int(&r, "memoryMb", JSON_OPTIONAL, 0, INT64_MAX, &memory);
	json_read_int(&r, "cpuSeconds", JSON_OPTIONAL, 0, INT64_MAX, &cpu);
	json_read_int(&r, "files", JSON_OPTIONAL, 0, INT64_MAX, &files);
	printf("user %s%s%s", user, no_new ? ", no new privileges" : "", seccomp ? ", seccomp" : "");
	if (landlock > 0)
		printf(", Landlock %d", (int)landlock);
	if (memory > 0)
		printf(", %lld MB", (long long)memory);
	if (cpu > 0)
		printf(", %lld s of CPU", (long long)cpu);
	if (seccomp)
		printf(", %lld files", (long long)files);
}

static void print_workers(json_t *workers)
{
	json_t *worker, *cell = NULL;
	size_t i;
	json_array_foreach (workers, i, worker) {
		const char *sid = "ready for a call";
		int64_t pid = 0;
		struct json_reader r;
		json_read_open(&r, worker);
		json_read_int(&r, "pid", JSON_NEEDED, 0, INT32_MAX, &pid);
		if (!json_is_null(json_object_get(worker, "callSid")))
			json_read_text(&r, "callSid", JSON_OPTIONAL, 1, 64, &sid);
		json_read_object(&r, "cell", JSON_OPTIONAL, &cell);
		printf("  callworker pid %-7d %s   ", (int)pid, sid);
		print_cell(cell);
		putchar('\n');
	}
}

static void print_process(json_t *process)
{
	const char *name = "", *state = "";
	int64_t pid = 0, starts = 0, live = 0, clients = 0;
	json_t *detail = NULL, *cell = NULL, *workers = NULL;
	struct json_reader r;
	json_read_open(&r, process);
	json_read_text(&r, "name", JSON_NEEDED, 1, 32, &name);
	json_read_text(&r, "state", JSON_NEEDED, 1, 32, &state);
	json_read_int(&r, "pid", JSON_NEEDED, 0, INT32_MAX, &pid);
	json_read_int(&r, "starts", JSON_NEEDED, 0, INT32_MAX, &starts);
	json_read_object(&r, "detail", JSON_OPTIONAL, &detail);
	json_read_object(&r, "cell", JSON_OPTIONAL, &cell);
	printf("%-8s %-16s pid %-7d starts %-5d ", name, state, (int)pid, (int)starts);
	print_cell(cell);
	if (detail != NULL && strcmp(name, "voiced") == 0) {
		const char *store = "?";
		json_read_open(&r, detail);
		json_read_int(&r, "liveCalls", JSON_OPTIONAL, 0, INT32_MAX, &live);
		json_read_int(&r, "clients", JSON_OPTIONAL, 0, INT32_MAX, &clients);
		json_read_text(&r, "store", JSON_OPTIONAL, 1, 32, &store);
		json_read_any(&r, "workers", JSON_OPTIONAL, &workers);
		printf("   live calls %d   MCP clients %d   store %s", (int)live, (int)clients, store);
	}
	putchar('\n');
	print_workers(workers);
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
	} else if (a->question->print != NULL) {
		a->question->print(reply);
	}
	a->answered = error == NULL;
	if (!a->question->ends || error != NULL)
		event_base_loopbreak(a->base);
}

static bool quiet; /* `phony upgrade` looks, and shows nothing */

static void on_hello(struct peer *p, enum role role, pid_t pid, void *arg)
{
	(void)role;
	struct asking *a = arg;
	if (!a->options->json && a->question->message == MSG_STATUS && !quiet)
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
	if (!a->question->ends || !a->answered) {
		fprintf(stderr, "phony: the running instance has gone away: %s\n", why);
		a->exit_code = EXIT_FAILED;
	}
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
	static const struct question status = {SOCKET_SUPERVISOR, ROLE_SUPERVISOR, MSG_STATUS, print_status,
					       false};
	return ask(o, &status);
}

int command_stats(const struct command_options *o)
{
	static const struct question stats = {SOCKET_VOICED, ROLE_VOICED, MSG_STATS, print_stats, false};
	return ask(o, &stats);
}

/* The worker that `phony debug` looks for. */
static struct {
	const char *call_sid;
	pid_t pid;
} wanted;

static void look_for_worker(json_t *reply)
{
	json_t *processes = NULL, *process, *workers = NULL, *worker, *detail = NULL;
	size_t i, j;
	struct json_reader r;
	json_read_open(&r, reply);
	json_read_any(&r, "processes", JSON_NEEDED, &processes);
	json_array_foreach (processes, i, process) {
		json_read_open(&r, process);
		json_read_object(&r, "detail", JSON_OPTIONAL, &detail);
		workers = NULL;
		json_read_open(&r, detail);
		json_read_any(&r, "workers", JSON_OPTIONAL, &workers);
		json_array_foreach (workers, j, worker) {
			const char *sid = json_string_value(json_object_get(worker, "callSid"));
			if (sid != NULL && strcmp(sid, wanted.call_sid) == 0)
				wanted.pid = (pid_t)json_integer_value(json_object_get(worker, "pid"));
		}
	}
}

int command_debug(const struct command_options *o)
{
	static const struct question look = {SOCKET_SUPERVISOR, ROLE_SUPERVISOR, MSG_STATUS, look_for_worker,
					     false};
	const char *tool = o->tool ? o->tool : "strace";
	bool strace = strcmp(tool, "strace") == 0;
	if (o->argument == NULL || (!strace && strcmp(tool, "gdb") != 0)) {
		fputs("usage: phony debug CALLSID [strace|gdb]\n", stderr);
		return EXIT_USAGE;
	}
	wanted.call_sid = o->argument;
	quiet = true;
	int code = ask(o, &look);
	if (code != EXIT_OK)
		return code;
	if (wanted.pid == 0) {
		fprintf(stderr, "phony: no live call has the SID %s; `phony status` shows those there are\n",
			o->argument);
		return EXIT_FAILED;
	}
	char pid[16];
	snprintf(pid, sizeof pid, "%d", (int)wanted.pid);
	/* The call goes on while it is watched by strace; under gdb it stands still, and is heard to. */
	const char *const traced[] = {"strace", "-f", "-tt", "-s", "200", "-p", pid, NULL};
	/* Without ./.gdbinit: the current folder may be anybody's. */
	const char *const stopped[] = {"gdb", "-q", "-iex", "set auto-load local-gdbinit off",
				       "-p",  pid,  NULL};
	execvp(tool, (char *const *)(strace ? traced : stopped));
	fprintf(stderr, "phony: %s cannot be executed: install it (apt-get install %s)\n", tool, tool);
	return EXIT_FAILED;
}

static bool all_up;

static void look_whether_up(json_t *reply)
{
	json_t *processes = NULL, *process;
	size_t i;
	struct json_reader r;
	json_read_open(&r, reply);
	json_read_any(&r, "processes", JSON_NEEDED, &processes);
	all_up = json_array_size(processes) > 0;
	json_array_foreach (processes, i, process) {
		const char *state = "";
		json_read_open(&r, process);
		json_read_text(&r, "state", JSON_NEEDED, 1, 32, &state);
		all_up = all_up && strcmp(state, "up") == 0;
	}
}

int command_upgrade(const struct command_options *o)
{
	enum { LOOKS = 600, LOOK_US = 50 * 1000 };
	static const struct question upgrade = {SOCKET_SUPERVISOR, ROLE_SUPERVISOR, MSG_UPGRADE, NULL, true};
	static const struct question look = {SOCKET_SUPERVISOR, ROLE_SUPERVISOR, MSG_STATUS, look_whether_up,
					     false};
	int code = ask(o, &upgrade);
	quiet = true;
	for (int i = 0; code == EXIT_OK && !all_up && i < LOOKS; i++) {
		code = ask(o, &look);
		usleep(all_up ? 0 : LOOK_US);
	}
	if (code != EXIT_OK)
		return code;
	if (!all_up) {
		fputs("phony: the new daemons are not ready yet; the log says why\n", stderr);
		return EXIT_FAILED;
	}
	puts("New programs and settings are in force. Calls that were live go on.");
	return EXIT_OK;
}
