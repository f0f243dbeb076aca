/*
 * voiced: the front door on the TCP port, Twilio's voice API, the register of
 * calls and the callworkers' lives. It never touches audio.
 */
#include "lib/base/json_build.h"
#include "voiced/api/call_search.h"
#include "voiced/api/control_socket.h"
#include "voiced/api/doctor_endpoint.h"
#include "voiced/api/sse.h"
#include "voiced/api/stats.h"
#include "voiced/calls/hangup.h"
#include "voiced/calls/post_call.h"
#include "voiced/calls/recovery.h"
#include "voiced/calls/schedule.h"
#include "voiced/calls/worker_events.h"
#include "voiced/drain.h"
#include "voiced/frontend/accept.h"
#include "voiced/frontend/handoff.h"
#include "voiced/frontend/media_streams.h"
#include "voiced/guard_rails/quota.h"
#include "voiced/http_routes.h"
#include "voiced/load_report.h"
#include "voiced/numbers/voicemail.h"
#include "voiced/provider_models.h"
#include "voiced/retention/call_deletion.h"
#include "voiced/retention/recording_removal.h"
#include "voiced/retention/recordings.h"
#include "voiced/shared/event_bus.h"
#include "voiced/shared/pending.h"
#include "voiced/store_commands.h"
#include "voiced/webhooks/webhook_answers.h"
#include "voiced/workers/pool.h"
#include "voiced/workers/prompt.h"
#include "voiced/workers/resolver.h"

#include "lib/base/fd.h"
#include "lib/base/inherit.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"

#include <errno.h>
#include <string.h>

static const struct http_limits limits = {
	.body_bytes = 256 * 1024, .header_bytes = 32 * 1024, .idle_timeout_s = 15, .whole_timeout_s = 15};

static void on_own(void *arg, int fd)
{
	struct voiced *v = arg;
	http_server_adopt(v->http_in, fd);
}

static void on_other(void *arg, enum route_kind to, int fd)
{
	struct voiced *v = arg;
	handover_pass(to == ROUTE_SMSD ? v->to_smsd : v->to_mcpd, fd);
}

static void on_stream(void *arg, const struct route *route, int fd)
{
	streams_take(arg, route, fd);
}

static const struct door_handler door_events = {on_own, on_other, on_stream};

static bool open_store(struct voiced *v)
{
	char error[300];
	if (!config_make_dir(v->config->state_dir)) {
		log_error("STATE_DIR %s cannot be made: %s", v->config->state_dir, strerror(errno));
		return false;
	}
	if (!config_api_token(&v->daemon->config) || (v->host_id = config_host_id(v->config)) == NULL) {
		log_error("the API token cannot be kept in %s: %s", v->config->state_dir, strerror(errno));
		return false;
	}
	v->store = store_open(v->base, v->config->mongodb_url, v->config->state_dir, "voiced", error,
			      sizeof error);
	if (v->store == NULL) {
		log_error("%s", error);
		return false;
	}
	/* How a call is answered, and whom nobody may call, is known without the database, too. */
	store_replicate(v->store, STORE_INCOMING_CONFIGS);
	store_replicate(v->store, STORE_BARRED);
	store_replicate(v->store, STORE_CONTEXTS);
	return true;
}

static bool open_doors(struct voiced *v)
{
	int http = fd_inherited(DOOR_HTTP), local = fd_inherited(DOOR_VOICED);
	if (http < 0 || local < 0) {
		log_error("voiced is started by phony, which hands it its sockets (http, voiced)");
		return false;
	}
	v->clients = clients_open(v, local);
	v->door = door_open(v->base, http, &door_events, v);
	return true;
}

static void on_over(struct call *call, void *arg)
{
	load_tell(arg);
	stats_over(arg, call);
	/* Before the end is stored: a voiced that dies in between finds the call live, and keeps the same
	 * retry. */
	schedule_retry(arg, call);
	search_index(arg, call);
}

static void on_change(struct call *call, void *arg)
{
	news_call(arg, call);
}

static bool start(struct daemon *d)
{
	struct voiced *v = xcalloc(1, sizeof *v);
	d->state = v;
	v->daemon = d;
	v->base = d->base;
	v->config = &d->config;
	LIST_INIT(&v->taken);
	char why[300];
	v->prompts = prompts_open(v->config, why, sizeof why);
	if (v->prompts == NULL) {
		log_error("%s", why);
		d->misconfigured = true;
		return false;
	}
	models_log(v->config);
	if (!open_store(v))
		return false;
	char *smsd = config_run_path(v->config, SOCKET_SMSD), *mcpd = config_run_path(v->config, SOCKET_MCPD);
	v->to_smsd = handover_new(v->base, ROLE_SMSD, smsd);
	v->to_mcpd = handover_new(v->base, ROLE_MCPD, mcpd);
	free(smsd);
	free(mcpd);
	v->http_out = http_client_new(v->base, v->config->tls_ca_file);
	v->twilio = twilio_new(v->http_out, v->config->twilio_api_url, v->config->twilio_account_sid,
			       v->config->twilio_auth_token, v->config->twilio_timeout_s);
	v->calls = calls_new(v->base, v->store, v->config, v->host_id);
	ending_init(v);
	calls_on_over(v->calls, on_over, v);
	calls_on_change(v->calls, on_change, v);
	v->news = news_new(v);
	v->live = live_new(v);
	v->stats = stats_new();
	v->quota = quota_new(v);
	v->answers = webhook_answers_new();
	if (!restore_calls(v))
		return false;
	v->resolver = resolver_new(v->base);
	v->workers = workers_new(v);
	if (v->workers == NULL)
		return false;
	workers_rejoin(v->workers);
	v->http_in = http_server_new(v->base, &limits, routes_handle, v);
	http_server_protect(v->http_in, v->config->trusted_proxies, v->config->max_requests_per_s);
	if (!open_doors(v))
		return false;
	restore_go_on(v);
	v->schedule = schedule_new(v);
	v->voicemails = voicemails_new(v);
	v->recordings = recordings_new(v);
	v->afterwards = afterwards_new(v);
	v->removals = removals_new(v);
	v->deletions = deletions_new(v);
	return true;
}

static json_t *status(struct daemon *d)
{
	struct voiced *v = d->state;
	return json_build("{s:i, s:i, s:s, s:i, s:o}", "liveCalls", (int)calls_count(v->calls, NULL),
			  "clients", (int)clients_count(v->clients), "store", store_kind_name(v->store),
			  "idleWorkers", (int)workers_idle(v->workers), "workers", workers_list(v->workers));
}

static void message(struct daemon *d, const struct frame *f)
{
	struct voiced *v = d->state;
	int64_t pid = 0, exit_status = 0;
	struct json_reader r;
	if (f->type != MSG_ORPHAN_ENDED)
		return;
	json_read_open(&r, f->body);
	json_read_int(&r, "pid", JSON_NEEDED, 1, INT32_MAX, &pid);
	json_read_int(&r, "status", JSON_NEEDED, INT32_MIN, INT32_MAX, &exit_status);
	if (json_read_ok(&r))
		workers_orphan_ended(v->workers, (pid_t)pid, (int)exit_status);
}

static void drain(struct daemon *d, unsigned seconds)
{
	leaving_drain(d->state, seconds);
}

static void step_down(struct daemon *d)
{
	leaving_step_down(d->state);
}

static void stop(struct daemon *d)
{
	struct voiced *v = d->state;
	v->draining = true; /* nothing new is begun by what the store still answers */
	timer_stop(&v->drain_timer);
	timer_stop(&v->confirm_timer);
	timer_stop(&v->step_timer);
	if (v->quota != NULL)
		quota_close(v->quota);
	recordings_free(&v->recordings);
	checkup_free(&v->checkup);
	afterwards_free(&v->afterwards);
	removals_free(&v->removals);
	deletions_free(&v->deletions);
	door_close(&v->door);
	clients_close(&v->clients);
	resolver_free(&v->resolver); /* before the calls that it answers */
	workers_free(&v->workers);
	if (v->calls != NULL)
		restore_leave(v);
	/* What the store tells may ask Twilio; what Twilio does not answer any more may be stored. */
	if (v->http_out != NULL)
		do {
			store_finish(v->store);
		} while (http_client_cancel(v->http_out));
	http_client_free(&v->http_out);
	store_close(&v->store);
	schedule_free(&v->schedule);
	quota_free(&v->quota);
	webhook_answers_free(&v->answers);
	voicemails_free(&v->voicemails);
	errands_drop(v);
	events_forget(v);
	live_free(&v->live);
	http_server_free(&v->http_in);
	twilio_free(&v->twilio);
	calls_free(&v->calls);
	handover_free(&v->to_smsd);
	handover_free(&v->to_mcpd);
	prompts_free(&v->prompts);
	news_free(&v->news);
	stats_free(&v->stats);
	free(v->host_id);
	free(v);
}

int main(int argc, char **argv)
{
	static const struct daemon_job jobs[] = {
		{"check", "look at the database, this machine, Twilio, PUBLIC_URL and the voice", job_check},
		{"fix", "the same, and set the number's webhooks", job_fix},
		{"export", "write the database to standard output, as JSON lines", job_export},
		{"import", "read such lines from standard input", job_import},
		{0}};
	static const struct daemon_spec spec = {
		.name = "voiced",
		.role = ROLE_VOICED,
		.summary = "The front door: HTTP, Twilio's voice webhooks, calls and their workers.",
		.telephony = true,
		.jobs = jobs,
		.start = start,
		.drain = drain,
		.step_down = step_down,
		.status = status,
		.message = message,
		.stop = stop,
	};
	return daemon_main(argc, argv, &spec);
}
