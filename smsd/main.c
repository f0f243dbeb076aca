/*
 * smsd: messages. Twilio's messaging API and webhooks, the REST API for
 * messages and conversations, their store and the outbox. It takes the
 * connections that voiced hands over and the questions of mcpd and voiced.
 */
#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/json_build.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "smsd/api/commands.h"
#include "smsd/api/routes.h"
#include "smsd/messages/send_request.h"
#include "smsd/messages/tombstones.h"
#include "smsd/outbox/bulk.h"
#include "smsd/outbox/early_status.h"
#include "smsd/outbox/outbox.h"
#include "smsd/outbox/reconcile.h"
#include "smsd/smsd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DRAIN_CHECK_MS = 50, STEP_DOWN_MS = 3000 };

static const struct http_limits limits = {
	.body_bytes = 256 * 1024, .header_bytes = 32 * 1024, .idle_timeout_s = 15, .whole_timeout_s = 15};

static void on_connection(int fd, void *arg)
{
	struct smsd *s = arg;
	http_server_adopt(s->http_in, fd);
}

static void on_question(void *arg, int verb, json_t *args, struct reply reply)
{
	verb_run(arg, verb, args, reply);
}

static bool open_store(struct smsd *s)
{
	char error[300];
	if (!config_make_dir(s->config->state_dir) || !config_api_token(&s->daemon->config) ||
	    (s->host_id = config_host_id(s->config)) == NULL) {
		log_error("STATE_DIR %s cannot be used: %s", s->config->state_dir, strerror(errno));
		return false;
	}
	s->store = store_open(s->base, s->config->mongodb_url, s->config->state_dir, "smsd", error,
			      sizeof error);
	if (s->store == NULL)
		log_error("%s", error);
	return s->store != NULL;
}

static bool start(struct daemon *d)
{
	struct smsd *s = xcalloc(1, sizeof *s);
	d->state = s;
	s->daemon = d;
	s->base = d->base;
	s->config = &d->config;
	int listener = fd_inherited(DOOR_SMSD);
	if (listener < 0) {
		log_error("smsd is started by phony, which hands it its socket (smsd)");
		return false;
	}
	if (!open_store(s))
		return false;
	s->http_out = http_client_new(s->base, s->config->tls_ca_file);
	s->twilio = twilio_new(s->http_out, s->config->twilio_api_url, s->config->twilio_account_sid,
			       s->config->twilio_auth_token, s->config->twilio_timeout_s);
	s->default_sender = wish_default_sender(s);
	s->outbox = outbox_new(s);
	s->unheard = unheard_new(s);
	early_sweep(s);
	tombstones_sweep(s);
	s->bulks = bulks_new(s);
	s->http_in = http_server_new(s->base, &limits, routes_handle, s);
	http_server_protect(s->http_in, s->config->trusted_proxies, s->config->max_requests_per_s);
	s->adopt = adopt_open(d, listener, ROLE_SMSD, on_connection, on_question, s);
	return true;
}

/* What is on its way to Twilio is waited for: at most its own time-out. */
static void check_drained(void *arg)
{
	struct smsd *s = arg;
	if (outbox_busy(s->outbox) == 0 && store_pending(s->store) == 0 &&
	    http_server_in_work(s->http_in) == 0)
		daemon_end(s->daemon);
	else
		timer_start(&s->drain, s->base, DRAIN_CHECK_MS, check_drained, s);
}

static void begin_nothing(struct smsd *s)
{
	outbox_drain(s->outbox);
	unheard_drain(s->unheard);
	bulks_drain(s->bulks);
}

static void drain(struct daemon *d, unsigned seconds)
{
	struct smsd *s = d->state;
	(void)seconds;
	begin_nothing(s);
	check_drained(s);
}

/* What is on its way is the next one's to look for at Twilio, if it takes longer than this. */
static void on_patience(void *arg)
{
	struct smsd *s = arg;
	daemon_end(s->daemon);
}

static void step_down(struct daemon *d)
{
	struct smsd *s = d->state;
	timer_start(&s->patience, s->base, STEP_DOWN_MS, on_patience, s);
	begin_nothing(s);
	adopt_leave(s->adopt, check_drained, s);
}

static json_t *status(struct daemon *d)
{
	struct smsd *s = d->state;
	return json_build("{s:s, s:i}", "store", store_kind_name(s->store), "sending",
			  (int)outbox_busy(s->outbox));
}

static void stop(struct daemon *d)
{
	struct smsd *s = d->state;
	timer_stop(&s->drain);
	timer_stop(&s->patience);
	adopt_close(&s->adopt);
	if (s->outbox != NULL)
		outbox_drain(s->outbox);
	if (s->unheard != NULL)
		unheard_drain(s->unheard);
	if (s->bulks != NULL)
		bulks_drain(s->bulks);
	/* What the store tells may ask Twilio; what Twilio does not answer any more may be stored. */
	if (s->http_out != NULL)
		do {
			store_finish(s->store);
		} while (http_client_cancel(s->http_out));
	http_client_free(&s->http_out);
	store_close(&s->store);
	outbox_free(&s->outbox);
	unheard_free(&s->unheard);
	bulks_free(&s->bulks);
	http_server_free(&s->http_in);
	twilio_free(&s->twilio);
	free(s->default_sender);
	free(s->host_id);
	free(s);
}

int main(int argc, char **argv)
{
	static const struct daemon_spec spec = {
		.name = "smsd",
		.role = ROLE_SMSD,
		.summary = "Messages: SMS and MMS, their webhooks, store and outbox.",
		.telephony = true,
		.start = start,
		.drain = drain,
		.step_down = step_down,
		.status = status,
		.stop = stop,
	};
	return daemon_main(argc, argv, &spec);
}
