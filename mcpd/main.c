/*
 * mcpd: the Model Context Protocol. With --stdio (that is `phony mcp`) it serves
 * one client on standard input and output; else it serves the connections to
 * /mcp that voiced hands over.
 */
#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/handoff_receiver.h"
#include "lib/http/server.h"
#include "mcpd/transport/http.h"
#include "mcpd/transport/stdio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_DOWN_MS = 1000, STEP_DOWN_CHECK_MS = 10 };

/* The daemon's own part of it. */
struct serving {
	struct daemon *daemon;
	struct mcpd mcpd;
	struct adopt *adopt;
	struct http_server *server;
	struct mcp_http *http;
	struct timer patience, check;
};

static const struct http_limits limits = {
	.body_bytes = 1024 * 1024, .header_bytes = 32 * 1024, .idle_timeout_s = 15, .whole_timeout_s = 15};

static void on_connection(int fd, void *arg)
{
	struct serving *s = arg;
	http_server_adopt(s->server, fd);
}

static bool start(struct daemon *d)
{
	struct serving *s = xcalloc(1, sizeof *s);
	d->state = s;
	s->daemon = d;
	int listener = fd_inherited(DOOR_MCPD);
	if (listener < 0) {
		log_error("mcpd is started by phony, which hands it its socket (mcpd); or use mcpd --stdio");
		return false;
	}
	if (!config_make_dir(d->config.state_dir) || !config_api_token(&d->config)) {
		log_error("the API token cannot be kept in %s: %s", d->config.state_dir, strerror(errno));
		return false;
	}
	mcpd_init(&s->mcpd, d->base, backend_new(d->base, d->config_file, false));
	s->http = mcp_http_new(&s->mcpd, &d->config);
	s->server = http_server_new(d->base, &limits, mcp_http_handle, s->http);
	http_server_protect(s->server, d->config.trusted_proxies, d->config.max_requests_per_s);
	s->adopt = adopt_open(d, listener, ROLE_MCPD, on_connection, NULL, s);
	return true;
}

static json_t *status(struct daemon *d)
{
	struct serving *s = d->state;
	return json_build("{s:i}", "clients", (int)mcp_http_clients(s->http));
}

static void end(void *arg)
{
	struct serving *s = arg;
	daemon_end(s->daemon);
}

static void check_answered(void *arg)
{
	struct serving *s = arg;
	if (http_server_in_work(s->server) == 0)
		end(s);
	else
		timer_start(&s->check, s->daemon->base, STEP_DOWN_CHECK_MS, check_answered, s);
}

/* Who waits for a call for longer than this is told to come again. */
static void step_down(struct daemon *d)
{
	struct serving *s = d->state;
	timer_start(&s->patience, d->base, STEP_DOWN_MS, end, s);
	adopt_leave(s->adopt, check_answered, s);
}

static void stop(struct daemon *d)
{
	struct serving *s = d->state;
	timer_stop(&s->patience);
	timer_stop(&s->check);
	adopt_close(&s->adopt);
	mcp_http_free(&s->http);
	http_server_free(&s->server);
	mcpd_free(&s->mcpd);
	free(s);
}

static int serve_stdio(int argc, char **argv)
{
	const char *config_file = NULL;
	if (argc == 4 && strcmp(argv[2], "--config") == 0)
		config_file = argv[3];
	else if (argc != 2) {
		fputs("usage: mcpd --stdio [--config FILE]\n", stderr);
		return EXIT_USAGE;
	}
	log_open("mcpd", LOG_SEV_WARN, false);
	return stdio_serve(config_file);
}

int main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "mcpd",
		.role = ROLE_MCPD,
		.summary = "The Model Context Protocol. `mcpd --stdio [--config FILE]` serves one client on\n"
			   "standard input and output.",
		.start = start,
		.status = status,
		.step_down = step_down,
		.stop = stop,
	};
	if (argc > 1 && strcmp(argv[1], "--stdio") == 0)
		return serve_stdio(argc, argv);
	return daemon_main(argc, argv, &spec);
}
