#include "voiced/jobs.h"

#include "lib/base/exit_codes.h"
#include "lib/base/panic.h"
#include "lib/http/client.h"
#include "lib/store/transfer.h"
#include "lib/twilio/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 10000 };

struct checking {
	unsigned faults, left;
	const char *url;
};

static void say(struct checking *c, const char *what, const char *fault, const char *mend)
{
	if (fault == NULL)
		printf("ok     %s\n", what);
	else
		printf("fault  %s: %s%s%s\n", what, fault, mend[0] ? " " : "", mend);
	c->faults += fault != NULL;
}

static void check_store(struct checking *c, const struct config *config)
{
	char why[300];
	bool mongodb = config->mongodb_url[0] != '\0';
	const char *what = mongodb ? "database (MongoDB)" : "database (SQLite in STATE_DIR)";
	if (!config_make_dir(config->state_dir))
		say(c, "STATE_DIR", strerror(errno), "Make it a folder that phony may write.");
	else if (store_try(config->mongodb_url, config->state_dir, why, sizeof why) != 0)
		say(c, what, why,
		    mongodb ? "Until it answers, phony keeps what it writes on local disk." : "");
	else
		say(c, what, NULL, "");
}

static void on_account(void *arg, const struct twilio_answer *a)
{
	struct checking *c = arg;
	say(c, "Twilio's credentials", a->outcome == TWILIO_DONE ? NULL : a->message, "");
	c->left--;
}

static void on_public(void *arg, const struct http_answer *a)
{
	struct checking *c = arg;
	char fault[200];
	snprintf(fault, sizeof fault, "%.150s",
		 a->outcome == HTTP_ANSWERED ? "it answers with a server error" : a->fault);
	bool ok = a->outcome == HTTP_ANSWERED && a->status < 500;
	say(c, "PUBLIC_URL", ok ? NULL : fault,
	    "phony must be running, and the address must lead to it from the internet (nginx, firewall, "
	    "DNS).");
	c->left--;
}

int job_check(struct daemon *d)
{
	const struct config *config = &d->config;
	struct checking c = {.left = 2};
	check_store(&c, config);
	struct http_client *http = http_client_new(d->base, config->tls_ca_file);
	struct twilio *twilio = twilio_new(http, config->twilio_api_url, config->twilio_account_sid,
					   config->twilio_auth_token);
	twilio_fetch_account(twilio, on_account, &c);
	char *url = xasprintf("%s/health", config->public_url);
	struct http_ask ask = {.method = "GET", .url = url, .timeout_ms = TIMEOUT_MS, .tries = 1};
	http_client_ask(http, &ask, on_public, &c);
	while (c.left > 0)
		event_base_loop(d->base, EVLOOP_ONCE);
	free(url);
	http_client_free(&http);
	twilio_free(&twilio);
	return c.faults > 0 ? EXIT_FAILED : EXIT_OK;
}

int job_export(struct daemon *d)
{
	return store_export(d->config.mongodb_url, d->config.state_dir, stdout) ? EXIT_FAILED : EXIT_OK;
}

int job_import(struct daemon *d)
{
	if (!config_make_dir(d->config.state_dir)) {
		fprintf(stderr, "phony: STATE_DIR %s: %s\n", d->config.state_dir, strerror(errno));
		return EXIT_FAILED;
	}
	return store_import(d->config.mongodb_url, d->config.state_dir, stdin) ? EXIT_FAILED : EXIT_OK;
}
