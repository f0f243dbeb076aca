/*
 * `phony doctor`, as far as it is voiced's: what is asked, what was found, and
 * what mends it. A fault keeps phony from doing its work; advice does not.
 */
#include "lib/base/text.h"
#include "voiced/store_commands.h"

#include "lib/base/clock.h"
#include "lib/base/exit_codes.h"
#include "lib/base/form.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/http/client.h"
#include "lib/store/import_export.h"
#include "lib/twilio/rest_api.h"
#include "voiced/numbers/numbers.h"
#include "voiced/provider_models.h"
#include "voiced/shared/public_url_proof.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>

enum {
	TIMEOUT_MS = 10000,
	DISK_LEAST_MB = 200,
	FILES_OF_A_CALL =
		4, /* in voiced: the stream's duplicate, the worker's socket, what is asked meanwhile */
	FILES_BESIDE = 200,
	CLOCK_MOST_S = 60,
};

struct doctor {
	const struct config *config;
	struct http_client *http;
	struct twilio *twilio;
	unsigned faults, left;
	bool mend; /* what can be mended from here */
	char nonce[PROOF_NONCE_LEN + 1];
};

static void say(struct doctor *d, const char *what, const char *fault, const char *mend)
{
	if (fault == NULL)
		printf("ok     %s\n", what);
	else
		printf("fault  %s: %s%s%s\n", what, fault,
		       mend[0] == '\0'                   ? ""
		       : fault[strlen(fault) - 1] == '.' ? " "
							 : ". ",
		       mend);
	d->faults += fault != NULL;
}

static void advise(const char *what, const char *words)
{
	printf("advice %s: %s\n", what, words);
}

/* ---- this machine ---- */

static void check_store(struct doctor *d)
{
	const struct config *config = d->config;
	char why[300];
	bool mongodb = config->mongodb_url[0] != '\0';
	const char *what = mongodb ? "database (MongoDB)" : "database (SQLite in STATE_DIR)";
	if (!config_make_dir(config->state_dir))
		say(d, "STATE_DIR", strerror(errno), "Make it a folder that phony may write.");
	else if (store_try(config->mongodb_url, config->state_dir, why, sizeof why) != 0)
		say(d, what, why,
		    mongodb ? "Until it answers, phony keeps what it writes on local disk." : "");
	else
		say(d, what, NULL, "");
}

static void check_disk(struct doctor *d)
{
	struct statvfs fs;
	char fault[100];
	if (statvfs(d->config->state_dir, &fs) != 0)
		return;
	unsigned long long mb = (unsigned long long)fs.f_bavail * fs.f_frsize / (1024 * 1024);
	text_printf(fault, sizeof fault, "only %llu MB are free.", mb);
	say(d, "disk of STATE_DIR", mb < DISK_LEAST_MB ? fault : NULL,
	    "Make room, or set RETENTION_DAYS so that recordings go.");
}

static void check_files(struct doctor *d)
{
	struct rlimit files;
	char fault[200];
	unsigned needed = d->config->max_calls * FILES_OF_A_CALL + FILES_BESIDE;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	text_printf(fault, sizeof fault, "%llu may be open, MAX_CONCURRENT_CALLS=%u needs %u.",
		    (unsigned long long)files.rlim_max, d->config->max_calls, needed);
	say(d, "descriptors", files.rlim_max < needed ? fault : NULL,
	    "Raise the limit (LimitNOFILE in the unit, ulimit -Hn), or lower the setting.");
}

static void check_name(struct doctor *d, const char *setting, const char *url)
{
	char what[80], fault[200], host[256];
	struct addrinfo *found = NULL, hints = {.ai_socktype = SOCK_STREAM};
	const char *at = strstr(url, "://");
	if (at == NULL || url_is_loopback(url))
		return;
	snprintf(host, sizeof host, "%.*s", TEXT_SPAN(at + 3, strcspn(at + 3, ":/?#")));
	int code = getaddrinfo(host, NULL, &hints, &found);
	snprintf(what, sizeof what, "the name in %s", setting);
	text_printf(fault, sizeof fault, "%.*s is not found: %.*s.", TEXT_CUT(host, 100),
		    TEXT_CUT(gai_strerror(code), 60));
	say(d, what, code ? fault : NULL,
	    "Look at /etc/resolv.conf and the network, or correct the setting.");
	if (code == 0)
		freeaddrinfo(found);
}

static void check_names(struct doctor *d)
{
	const struct config *c = d->config;
	bool openai = strcmp(c->voice_provider, "openai") == 0;
	check_name(d, "TWILIO_API_URL", c->twilio_api_url);
	check_name(d, openai ? "OPENAI_WEBSOCKET_URL" : "ELEVENLABS_API_URL",
		   openai ? c->openai_websocket_url : c->elevenlabs_api_url);
	check_name(d, "PUBLIC_URL", c->public_url);
}

/* Certificates are valid from then to then, and QUIET_HOURS are hours. */
static void check_clock(struct doctor *d, long long twilio_s)
{
	long long ahead = wall_now().ms / 1000 - twilio_s;
	char fault[100];
	if (twilio_s == 0)
		return;
	text_printf(fault, sizeof fault, "it is %lld s %s Twilio's.", ahead < 0 ? -ahead : ahead,
		    ahead < 0 ? "behind" : "ahead of");
	say(d, "the clock", ahead < -CLOCK_MOST_S || ahead > CLOCK_MOST_S ? fault : NULL,
	    "Let it be set by the network (apt-get install systemd-timesyncd, or chrony).");
}

/* ---- Twilio ---- */

static void on_account(void *arg, const struct twilio_answer *a)
{
	struct doctor *d = arg;
	say(d, "Twilio's credentials", a->outcome == TWILIO_DONE ? NULL : a->message, "");
	check_clock(d, a->date_s);
	d->left--;
}

/* Whether Twilio calls this path of ours for the number; if not, it is said, unless it is about to be mended.
 */
static bool check_webhook(struct doctor *d, json_t *number, const char *name, const char *path,
			  const char *without)
{
	const char *url = "";
	char *wanted = xasprintf("%s%s", d->config->public_url, path), *words;
	struct json_reader r;
	json_read_open(&r, number);
	json_read_text(&r, name, JSON_OPTIONAL, 0, 4096, &url);
	/* A fragment says how Twilio repeats what failed. */
	bool well = strncmp(url, wanted, strlen(wanted)) == 0;
	if (!well && !d->mend) {
		words = xasprintf("%s Twilio calls %s, not %s. `phony doctor --fix` sets it.", without,
				  url[0] ? url : "nothing", wanted);
		advise(name, words);
		free(words);
	}
	free(wanted);
	return well;
}

static void on_mended(void *arg, const struct twilio_answer *a)
{
	struct doctor *d = arg;
	say(d, "the number's webhooks, set now", a->outcome == TWILIO_DONE ? NULL : a->message, "");
	d->left--;
}

static void mend_webhooks(struct doctor *d, json_t *number, bool voice, bool sms)
{
	const char *sid = NULL, *base = d->config->public_url;
	struct json_reader r;
	json_read_open(&r, number);
	json_read_text(&r, "sid", JSON_NEEDED, 34, 34, &sid);
	if (sid == NULL)
		return;
	char *voice_url, *status, *sms_url = xasprintf("%s/sms/incoming", base);
	numbers_webhooks(base, &voice_url, &status);
	struct twilio_webhooks w = {.voice_url = voice ? voice_url : NULL,
				    .status_callback = voice ? status : NULL,
				    .sms_url = sms ? sms_url : NULL};
	d->left++;
	twilio_set_webhooks(d->twilio, sid, &w, on_mended, d);
	free(voice_url);
	free(status);
	free(sms_url);
}

static void on_number(void *arg, const struct twilio_answer *a)
{
	struct doctor *d = arg;
	json_t *found = NULL;
	struct json_reader r;
	d->left--;
	if (a->outcome != TWILIO_DONE)
		return; /* the credentials' line says it */
	json_read_open(&r, a->body);
	json_read_any(&r, "incoming_phone_numbers", JSON_NEEDED, &found);
	json_t *number = json_array_get(found, 0);
	say(d, "TWILIO_NUMBER", number ? NULL : "it is not one of the account's numbers.",
	    "Buy one in the Twilio Console, or correct the setting.");
	if (number == NULL)
		return;
	bool voice = check_webhook(d, number, "voice_url", "/call/incoming",
				   "Calls to the number do not reach phony:");
	bool sms = check_webhook(d, number, "sms_url", "/sms/incoming",
				 "Messages to the number do not reach phony:");
	if (d->mend && !(voice && sms))
		mend_webhooks(d, number, !voice, !sms);
}

static void on_public(void *arg, const struct http_answer *a)
{
	struct doctor *d = arg;
	char fault[200], error[100], wanted[SECRET_SIGNATURE_SIZE];
	const char *proof = "";
	json_t *body = json_parse_object(a->body ? a->body : "", a->body_len, error, sizeof error);
	struct json_reader r;
	json_read_open(&r, body);
	json_read_text(&r, "proof", JSON_OPTIONAL, 0, SECRET_SIGNATURE_SIZE, &proof);
	proof_make(d->config, d->nonce, wanted);
	bool ok = a->outcome == HTTP_ANSWERED && secret_equal(wanted, proof);
	if (a->outcome != HTTP_ANSWERED)
		text_printf(fault, sizeof fault, "%.*s", TEXT_CUT(a->fault, 150));
	else
		text_printf(
			fault, sizeof fault,
			"it answers with status %ld, but it is not this phony (same TWILIO_AUTH_TOKEN) that "
			"answers.",
			a->status);
	json_decref(body);
	say(d, "PUBLIC_URL", ok ? NULL : fault,
	    "phony must be running, and the address must lead to it from the internet (nginx, firewall, "
	    "DNS).");
	d->left--;
}

/* ---- the voice ---- */

/* A member deep inside, by names with dots; NULL when it is not there. */
static json_t *inside(json_t *object, const char *path)
{
	char name[64];
	for (const char *at = path; object != NULL && *at != '\0'; at += *at == '.') {
		size_t len = strcspn(at, ".");
		snprintf(name, sizeof name, "%.*s", TEXT_SPAN(at, len));
		object = json_object_get(object, name);
		at += len;
	}
	return object;
}

static bool has_tool(json_t *tools, const char *name)
{
	json_t *tool;
	size_t i;
	json_array_foreach (tools, i, tool) {
		const char *known = json_string_value(json_object_get(tool, "name"));
		if (known != NULL && strcmp(known, name) == 0)
			return true;
	}
	return false;
}

static void check_agent(struct doctor *d, json_t *agent)
{
	static const char *const wanted[] = {"send_dtmf", "end_call"};
	json_t *tools = inside(agent, "conversation_config.agent.prompt.tools");
	const char *override = "platform_settings.overrides.conversation_config_override";
	char path[160], words[300];
	snprintf(path, sizeof path, "%s.agent.prompt.prompt", override);
	say(d, "the agent's override of the prompt",
	    json_is_true(inside(agent, path)) ? NULL : "ElevenLabs will refuse it.",
	    "Allow it in the agent's settings, under Security: without it no call can be told what it is "
	    "for.");
	snprintf(path, sizeof path, "%s.agent.first_message", override);
	if (!json_is_true(inside(agent, path)))
		advise("the agent's override of the first message",
		       "after a broken line the agent cannot apologize; allow it under Security.");
	snprintf(path, sizeof path, "%s.tts.voice_id", override);
	if (!json_is_true(inside(agent, path)) && d->config->elevenlabs_voice_id[0] != '\0')
		say(d, "the agent's override of the voice", "ElevenLabs will refuse ELEVENLABS_VOICE_ID.",
		    "Allow it in the agent's settings, under Security, or unset it.");
	for (size_t i = 0; json_is_array(tools) && i < sizeof wanted / sizeof *wanted; i++)
		if (!has_tool(tools, wanted[i])) {
			text_printf(words, sizeof words,
				    "the agent cannot %s; add a client tool %s (parameter %s) to it.",
				    i ? "hang up" : "press keys in menus", wanted[i],
				    i ? "reason" : "digits");
			advise("the agent's tools", words);
		}
	const char *takes =
		json_string_value(inside(agent, "conversation_config.asr.user_input_audio_format"));
	const char *gives =
		json_string_value(inside(agent, "conversation_config.tts.agent_output_audio_format"));
	if (takes != NULL && gives != NULL &&
	    (strcmp(takes, "ulaw_8000") != 0 || strcmp(gives, "ulaw_8000") != 0)) {
		text_printf(
			words, sizeof words,
			"it takes %.*s and gives %.*s; with mu-law 8000 Hz both ways nothing is converted.",
			TEXT_CUT(takes, 30), TEXT_CUT(gives, 30));
		advise("the agent's audio", words);
	}
}

static void on_agent(void *arg, const struct http_answer *a)
{
	struct doctor *d = arg;
	char fault[200], why[200];
	json_t *agent = NULL;
	d->left--;
	if (a->outcome != HTTP_ANSWERED)
		text_printf(fault, sizeof fault, "ElevenLabs cannot be reached: %.*s",
			    TEXT_CUT(a->fault, 120));
	else if (a->status == 401 || a->status == 403)
		text_printf(fault, sizeof fault, "ElevenLabs refuses ELEVENLABS_API_KEY.");
	else if (a->status == 404)
		text_printf(fault, sizeof fault,
			    "ElevenLabs knows no such agent: check ELEVENLABS_AGENT_ID.");
	else if (a->status != 200 ||
		 (agent = json_parse_object(a->body, a->body_len, why, sizeof why)) == NULL)
		text_printf(fault, sizeof fault, "ElevenLabs answers with HTTP status %ld.", a->status);
	say(d, "the agent at ElevenLabs", agent ? NULL : fault, "");
	if (agent != NULL)
		check_agent(d, agent);
	json_decref(agent);
}

static void check_models(struct doctor *d, json_t *list)
{
	static const char *const what[] = {"OPENAI_MODEL", "OPENAI_TRANSCRIPTION_MODEL"};
	char words[300];
	for (unsigned which = 0; which < 2; which++) {
		enum model_end end = models_check(d->config, which, list, words, sizeof words);
		if (end == MODEL_ENDS_SOON)
			advise(what[which], words);
		else
			say(d, what[which], end == MODEL_ENDED ? words : NULL, "");
	}
}

static void on_models(void *arg, const struct http_answer *a)
{
	struct doctor *d = arg;
	char fault[200];
	bool refused = a->outcome == HTTP_ANSWERED && (a->status == 401 || a->status == 403);
	d->left--;
	text_printf(fault, sizeof fault, "%.*s",
		    TEXT_CUT(refused ? "OpenAI refuses OPENAI_API_KEY."
				     : (a->outcome == HTTP_ANSWERED ? "OpenAI answers with a server error."
								    : a->fault),
			     150));
	/* A compatible server need not have this address: only a refusal or silence is a fault. */
	say(d, "OpenAI's key", refused || a->outcome != HTTP_ANSWERED || a->status >= 500 ? fault : NULL, "");
	char error[160];
	json_t *list = a->outcome == HTTP_ANSWERED && a->status == 200
			       ? json_parse_object(a->body, a->body_len, error, sizeof error)
			       : NULL;
	check_models(d, list);
	json_decref(list);
}

static void ask_voice(struct doctor *d)
{
	const struct config *c = d->config;
	bool openai = strcmp(c->voice_provider, "openai") == 0;
	const char *missing = config_voice_missing(c);
	if (missing != NULL) {
		say(d, missing, "it is not set.", "Without it no call has a voice.");
		return;
	}
	char *url, *header;
	if (openai) {
		/* wss://HOST/v1/realtime?… -> https://HOST/v1/models */
		const char *host = strstr(c->openai_websocket_url, "://") + 3;
		url = xasprintf("http%s://%.*s/v1/models", c->openai_websocket_url[2] == 's' ? "s" : "",
				TEXT_SPAN(host, strcspn(host, "/?")));
		header = xasprintf("Authorization: Bearer %s", c->openai_api_key);
	} else {
		struct buffer id = {0};
		form_append_escaped(&id, c->elevenlabs_agent_id);
		url = xasprintf("%s/v1/convai/agents/%.*s", c->elevenlabs_api_url,
				TEXT_SPAN((char *)id.data, id.len));
		header = xasprintf("xi-api-key: %s", c->elevenlabs_api_key);
		buffer_free(&id);
	}
	struct http_ask ask = {
		.method = "GET", .url = url, .header = header, .timeout_ms = TIMEOUT_MS, .tries = 1};
	d->left++;
	http_client_ask(d->http, &ask, openai ? on_models : on_agent, d);
	free(header);
	free(url);
}

static int look(struct daemon *daemon, bool mend)
{
	const struct config *config = &daemon->config;
	struct doctor d = {.config = config, .left = 3, .mend = mend};
	check_store(&d);
	check_disk(&d);
	check_files(&d);
	check_names(&d);
	d.http = http_client_new(daemon->base, config->tls_ca_file);
	d.twilio = twilio_new(d.http, config->twilio_api_url, config->twilio_account_sid,
			      config->twilio_auth_token, config->twilio_timeout_s);
	twilio_fetch_account(d.twilio, on_account, &d);
	twilio_list_numbers(d.twilio, config->twilio_number, on_number, &d);
	secret_make(d.nonce, PROOF_NONCE_LEN);
	char *url = xasprintf("%s%s?nonce=%s", config->public_url, PROOF_PATH, d.nonce);
	struct http_ask ask = {.method = "GET", .url = url, .timeout_ms = TIMEOUT_MS, .tries = 1};
	http_client_ask(d.http, &ask, on_public, &d);
	ask_voice(&d);
	while (d.left > 0)
		event_base_loop(daemon->base, EVLOOP_ONCE);
	free(url);
	http_client_free(&d.http);
	twilio_free(&d.twilio);
	return d.faults > 0 ? EXIT_FAILED : EXIT_OK;
}

int job_check(struct daemon *daemon)
{
	return look(daemon, false);
}

int job_fix(struct daemon *daemon)
{
	return look(daemon, true);
}
