/*
 * sim-carrier: Twilio, strict.
 *
 *	sim-carrier --scenario FILE --spec OPENAPI.json [--port N] [--record DIR]
 *
 * FILE: {accountSid, authToken, numbers: […], callees: {NUMBER: {…}}, default: {…},
 * create_faults?: ["drop", "lose", "429", "500", …], date?: what its clock says};
 * stream.c tells of callees.
 * Lines on standard input are commands: {"cut": CALLSID} resets the stream's
 * connection, {"hangup": CALLSID} lets the person hang up, {"dial": NUMBER of ours,
 * "from": NUMBER, "url": its webhook} lets somebody call (the scenario's callees
 * tell how they behave), {"set": {…}} changes the scenario. Its end ends the program, with 1 after a violation.
 */
#include "tests/sim/carrier/carrier.h"
#include "tests/sim/common/report.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOT_US = 1000 }; /* a stream has one slot of twenty: real ones do not speak in step */

struct carrier carrier;
static int64_t next_tick_us;
static struct event *ticker;

/* On a schedule of its own: a late tick is made up for, so the pace never drifts. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	static unsigned slot;
	int64_t now = now_us();
	while (next_tick_us <= now) {
		streams_tick(slot++ % 20);
		next_tick_us += SLOT_US;
	}
	int64_t left = next_tick_us - now_us();
	struct timeval delay = {0, left > 0 ? (int)left : 0};
	evtimer_add(ticker, &delay);
}

static void command(const char *line)
{
	json_t *c = json_loads(line, 0, NULL);
	struct call *cut = call_find(text_of(c, "cut", "")), *hangup = call_find(text_of(c, "hangup", ""));
	if (cut != NULL && cut->stream != NULL)
		stream_reset(cut->stream);
	if (hangup != NULL)
		call_end(hangup, "completed");
	json_object_update(carrier.scenario, json_object_get(c, "set"));
	if (json_object_get(c, "dial")) {
		const char *from = text_of(c, "from", "+12025550100");
		json_t *caller = json_object_get(json_object_get(carrier.scenario, "callees"), from);
		call_dial(from, text_of(c, "dial", ""), text_of(c, "url", ""),
			  caller ? caller : json_object_get(carrier.scenario, "default"));
	}
	json_decref(c);
}

static void on_stdin(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	(void)arg;
	static char line[4096];
	static size_t used;
	ssize_t n = read(fd, line + used, sizeof line - 1 - used);
	if (n <= 0) {
		event_base_loopbreak(carrier.base);
		return;
	}
	used += (size_t)n;
	line[used] = '\0';
	char *newline;
	while ((newline = strchr(line, '\n')) != NULL) {
		*newline = '\0';
		command(line);
		used -= (size_t)(newline + 1 - line);
		memmove(line, newline + 1, used + 1);
	}
}

int main(int argc, char **argv)
{
	int port = 0;
	signal(SIGPIPE, SIG_IGN);
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--scenario") == 0)
			carrier.scenario = load_json(argv[i + 1]);
		else if (strcmp(argv[i], "--spec") == 0)
			spec_load(argv[i + 1]);
		else if (strcmp(argv[i], "--port") == 0)
			port = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--record") == 0)
			carrier.record_dir = argv[i + 1];
	}
	if (carrier.scenario == NULL) {
		fprintf(stderr,
			"usage: sim-carrier --scenario FILE --spec OPENAPI.json [--port N] [--record DIR]\n");
		return 2;
	}
	carrier.account_sid = text_of(carrier.scenario, "accountSid", "");
	carrier.auth_token = text_of(carrier.scenario, "authToken", "");
	carrier.base = event_base_new();
	LIST_INIT(&carrier.calls);
	struct evhttp *http = evhttp_new(carrier.base);
	evhttp_set_gencb(http, rest_handle, NULL);
	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
	struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(http, "127.0.0.1", (uint16_t)port);
	if (bound == NULL) {
		perror("sim-carrier: bind");
		return 2;
	}
	struct sockaddr_in address;
	socklen_t len = sizeof address;
	getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address, &len);
	report("listening", json_pack("{s:i}", "port", (int)ntohs(address.sin_port)));
	evutil_make_socket_nonblocking(STDIN_FILENO);
	struct event *input = event_new(carrier.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, NULL);
	event_add(input, NULL);
	ticker = evtimer_new(carrier.base, on_tick, NULL);
	next_tick_us = now_us();
	on_tick(-1, 0, NULL);
	event_base_dispatch(carrier.base);
	/* Without a leak check: libevent frees a connection some rounds later, or never if it was refused. */
	fflush(NULL);
	_exit(violations() > 0);
}
