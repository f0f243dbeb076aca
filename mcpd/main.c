/*
 * mcpd: the Model Context Protocol. With --stdio (that is `phony mcp`) it serves
 * one client on standard input and output; else it takes the connections to
 * /mcp that voiced hands over, and answers 503: MCP over HTTP is not served by
 * this version.
 */
#include "lib/base/exit_codes.h"
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/daemon/adopt.h"
#include "lib/daemon/daemon.h"
#include "lib/http/server.h"
#include "mcpd/stdio.h"

#include <stdio.h>
#include <string.h>

struct mcpd {
	struct adopt *adopt;
	struct http_server *http;
};

static const struct http_limits limits = {
	.body_bytes = 1024 * 1024, .header_bytes = 32 * 1024, .idle_timeout_s = 15};

static void on_request(struct http_request *r, void *arg)
{
	(void)arg;
	http_reply_error(r, 503, "not_served",
			 "MCP over HTTP is not served by this version; run `phony mcp` for MCP on stdio.");
}

static void on_connection(int fd, void *arg)
{
	struct mcpd *m = arg;
	http_server_adopt(m->http, fd);
}

static bool start(struct daemon *d)
{
	struct mcpd *m = xcalloc(1, sizeof *m);
	d->state = m;
	int listener = fd_inherited(DOOR_MCPD);
	if (listener < 0) {
		log_error("mcpd is started by phony, which hands it its socket (mcpd); or use mcpd --stdio");
		return false;
	}
	m->http = http_server_new(d->base, &limits, on_request, m);
	m->adopt = adopt_open(d->base, listener, ROLE_MCPD, on_connection, NULL, m);
	return true;
}

static void stop(struct daemon *d)
{
	struct mcpd *m = d->state;
	adopt_close(&m->adopt);
	http_server_free(&m->http);
	free(m);
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
		.stop = stop,
	};
	if (argc > 1 && strcmp(argv[1], "--stdio") == 0)
		return serve_stdio(argc, argv);
	return daemon_main(argc, argv, &spec);
}
