#include "voiced/workers/agent_address.h"

#include "lib/base/form.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "voiced/workers/pool.h"
#include "voiced/workers/resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_TIMEOUT_MS = 8000 };

struct asked {
	struct voiced *v;
	char *call_id;
	int64_t attempt;
	char *url; /* once it is known */
};

static struct asked *begin(struct voiced *v, struct call *call)
{
	struct asked *asked = xcalloc(1, sizeof *asked);
	*asked = (struct asked){.v = v, .call_id = xstrdup(call_id(call)), .attempt = call_attempt(call)};
	call_set_agent(call, AGENT_ASKED, "");
	return asked;
}

/* The call that was asked for; NULL when it is over, or goes on elsewhere by now. */
static struct call *still_wanted(const struct asked *asked)
{
	struct call *call = calls_by_id(asked->v->calls, asked->call_id);
	return call != NULL && call_attempt(call) == asked->attempt ? call : NULL;
}

static void end(struct asked *asked)
{
	free(asked->call_id);
	free(asked->url);
	free(asked);
}

static void settle(struct call *call, enum call_agent agent, const char *text)
{
	if (agent == AGENT_REFUSED)
		log_call(LOG_SEV_WARN, call_sid(call), "no agent: %s", text);
	call_set_agent(call, agent, text);
	worker_tell_agent(call);
}

static void on_address(void *arg, const char *address, const char *fault)
{
	struct asked *asked = arg;
	struct call *call = still_wanted(asked);
	if (call != NULL) {
		call_set_agent_address(call, address ? address : "");
		settle(call, address ? AGENT_READY : AGENT_REFUSED, address ? asked->url : fault);
	}
	end(asked);
}

/* The agent is there; where that is, the call's process cannot find out. Takes over asked. */
static void locate(struct asked *asked, struct call *call, const char *url)
{
	asked->url = xstrdup(url);
	if (asked->v->resolver == NULL)
		end(asked); /* voiced ends: the next one asks */
	else
		resolver_ask(asked->v->resolver, url, call_agent_tries(call) - 1, on_address, asked);
}

static void describe_refusal(const struct http_answer *a, const char *agent_id, char *out, size_t size)
{
	if (a->outcome != HTTP_ANSWERED)
		snprintf(out, size, "ElevenLabs could not be reached: %s", a->fault);
	else if (a->status == 401 || a->status == 403)
		snprintf(out, size, "ElevenLabs refuses the key (HTTP %ld): check ELEVENLABS_API_KEY",
			 a->status);
	else if (a->status == 404)
		text_printf(out, size,
			    "ElevenLabs knows no agent %.*s: check the call's elevenLabsAgentId, or "
			    "ELEVENLABS_AGENT_ID where it names none",
			    TEXT_CUT(agent_id, 100));
	else
		snprintf(out, size, "ElevenLabs answered with HTTP status %ld", a->status);
}

static void on_signed_url(void *arg, const struct http_answer *a)
{
	struct asked *asked = arg;
	struct call *call = still_wanted(asked);
	char why[400];
	const char *url = NULL;
	json_t *body = NULL;
	if (a->outcome == HTTP_ANSWERED && a->status == 200) {
		struct json_reader r;
		body = json_parse_object(a->body, a->body_len, why, sizeof why);
		json_read_open(&r, body);
		json_read_text(&r, "signed_url", JSON_NEEDED, 6, 8000, &url);
		bool plain = url != NULL && strncmp(url, "ws://", 5) == 0;
		if (url == NULL || (strncmp(url, "wss://", 6) != 0 && !(plain && url_is_loopback(url)))) {
			text_printf(why, sizeof why, "ElevenLabs gave no usable signed URL");
			url = NULL;
		}
	} else {
		describe_refusal(a, call ? call_text(call, "elevenLabsAgentId") : "", why, sizeof why);
	}
	if (call != NULL && url != NULL) {
		locate(asked, call, url);
	} else {
		if (call != NULL)
			settle(call, AGENT_REFUSED, why);
		end(asked);
	}
	json_decref(body);
}

static char *with_agent_id(const char *url, const char *agent_id)
{
	struct buffer text = {0};
	buffer_append_text(&text, url);
	buffer_append_text(&text, strchr(url, '?') ? "&agent_id=" : "?agent_id=");
	form_append_escaped(&text, agent_id);
	buffer_append(&text, "", 1);
	return (char *)text.data;
}

void agent_prepare(struct voiced *v, struct call *call)
{
	const struct config *config = v->config;
	const char *agent_id = call_text(call, "elevenLabsAgentId");
	if (strcmp(call_text(call, "voiceProvider"), "openai") == 0) {
		locate(begin(v, call), call, config->openai_websocket_url); /* the key goes as a header */
		return;
	}
	if (config->elevenlabs_api_key[0] == '\0') {
		char *url = with_agent_id(config->elevenlabs_websocket_url, agent_id);
		locate(begin(v, call), call, url);
		free(url);
		return;
	}
	char *base = xasprintf("%s/v1/convai/conversation/get-signed-url", config->elevenlabs_api_url);
	char *url = with_agent_id(base, agent_id);
	char *header = xasprintf("xi-api-key: %s", config->elevenlabs_api_key);
	struct asked *asked = begin(v, call);
	struct http_ask ask = {.method = "GET",
			       .url = url,
			       .header = header,
			       .timeout_ms = ASK_TIMEOUT_MS,
			       .repeat = HTTP_REPEATABLE,
			       .tries = 4};
	http_client_ask(v->http_out, &ask, on_signed_url, asked);
	free(header);
	free(url);
	free(base);
}
