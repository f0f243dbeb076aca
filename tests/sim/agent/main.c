/*
 * sim-agent: ElevenLabs' signed-URL endpoint and agent socket, and OpenAI's
 * Realtime socket, strict.
 *
 *	sim-agent --scenario FILE [--port N] [--tls CERT KEY]
 *
 * FILE: {"apiKey"?: "…", "openaiKey"?: "…", "publicPort"?: of what stands before us, "agents": {ID: {takes, gives, mode?, script?, bad?}}};
 * conversation.c tells the rest. The port is told as {"event":"listening"}; the
 * end of standard input ends the program, with 1 after a violation.
 */
#include "tests/sim/agent/agent.h"
#include "tests/sim/common/report.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	struct event_base *base;
	json_t *scenario;
	SSL_CTX *tls;
	int port;
	unsigned tokens;
} sim;

static void drop(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		bufferevent_free(bev);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	(void)arg;
	if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		bufferevent_free(bev);
}

static void answer(struct bufferevent *bev, int status, const char *body)
{
	evbuffer_add_printf(bufferevent_get_output(bev),
			    "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
			    "Connection: close\r\n\r\n%s",
			    status, strlen(body), body);
	bufferevent_setcb(bev, NULL, on_written, drop, NULL);
}

/* A header's value in the request's head; NULL if none. Allocated. */
static char *header(const char *head, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
			const char *value = line + 3 + len + strspn(line + 3 + len, " ");
			return strndup(value, strcspn(value, "\r"));
		}
	return NULL;
}

struct late {
	struct bufferevent *bev;
	char body[512];
};

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct late *late = arg;
	answer(late->bev, 200, late->body);
	free(late);
}

/* "signed_url_ms": the answer takes its time. */
static void answer_late(struct bufferevent *bev, const char *body, int ms)
{
	struct timeval delay = {ms / 1000, ms % 1000 * 1000};
	struct late *late = calloc(1, sizeof *late);
	late->bev = bev;
	snprintf(late->body, sizeof late->body, "%s", body);
	bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
	event_base_once(sim.base, -1, EV_TIMEOUT, on_late, late, &delay);
}

static void on_signed_url(struct bufferevent *bev, const char *head, const char *agent_id)
{
	const char *key = text_of(sim.scenario, "apiKey", NULL);
	json_t *agent = json_object_get(json_object_get(sim.scenario, "agents"), agent_id);
	const char *bad = text_of(agent, "bad", "");
	char *given = header(head, "xi-api-key"), body[512];
	if (key == NULL || given == NULL || strcmp(given, key) != 0) {
		answer(bev, 401, "{\"detail\":{\"status\":\"invalid_api_key\"}}");
	} else if (agent == NULL) {
		answer(bev, 404, "{\"detail\":{\"status\":\"agent_not_found\"}}");
	} else if (strcmp(bad, "signed_url_500") == 0) {
		answer(bev, 500, "oops");
	} else {
		snprintf(body, sizeof body,
			 "{\"signed_url\":\"%s://127.0.0.1:%d/v1/convai/"
			 "conversation?agent_id=%s&conversation_signature=cvtkn_%u\"}",
			 sim.tls ? "wss" : "ws", (int)int_of(sim.scenario, "publicPort", sim.port), agent_id, ++sim.tokens);
		report("signed-url", json_pack("{s:s}", "agent", agent_id));
		answer_late(bev, body, (int)int_of(agent, "signed_url_ms", 0));
	}
	free(given);
}

static const char conversations[] = "/v1/convai/conversations/";

/* What a conversation cost; the first time it is asked about, that is not known yet. */
static void on_cost(struct bufferevent *bev, const char *head, const char *id)
{
	static json_t *known;
	const char *key = text_of(sim.scenario, "apiKey", NULL);
	char *given = header(head, "xi-api-key"), body[256];
	if (known == NULL)
		known = json_object();
	json_int_t times = json_integer_value(json_object_get(known, id));
	if (key == NULL || given == NULL || strcmp(given, key) != 0) {
		answer(bev, 401, "{\"detail\":{\"status\":\"invalid_api_key\"}}");
	} else {
		json_object_set_new(known, id, json_integer(times + 1));
		snprintf(body, sizeof body,
			 "{\"conversation_id\":\"%.64s\",\"agent_id\":\"agent-test\",\"status\":\"%s\",\"transcript\":[],"
			 "\"metadata\":{\"start_time_unix_secs\":1,\"call_duration_secs\":3,\"cost\":%s}}",
			 id, times ? "done" : "processing", times ? "296" : "null");
		report("cost-asked", json_pack("{s:s}", "conversation", id));
		answer(bev, 200, body);
	}
	free(given);
}

static const char agents_path[] = "/v1/convai/agents/";

/* What is set up for an agent; its entry's "settings" in the scenario, or a good one. */
static void on_settings(struct bufferevent *bev, const char *head, const char *id)
{
	static const char good[] =
		"{\"agent_id\":\"a\",\"conversation_config\":{\"asr\":{\"user_input_audio_format\":\"ulaw_8000\"},"
		"\"tts\":{\"agent_output_audio_format\":\"ulaw_8000\"},\"agent\":{\"prompt\":{\"tools\":[{\"type\":\"client\","
		"\"name\":\"send_dtmf\"},{\"type\":\"client\",\"name\":\"end_call\"}]}}},\"platform_settings\":{\"overrides\":"
		"{\"conversation_config_override\":{\"agent\":{\"first_message\":true,\"prompt\":{\"prompt\":true}},\"tts\":"
		"{\"voice_id\":true}}}}}";
	const char *key = text_of(sim.scenario, "apiKey", NULL);
	json_t *agent = json_object_get(json_object_get(sim.scenario, "agents"), id);
	char *given = header(head, "xi-api-key");
	char *own = json_dumps(json_object_get(agent, "settings"), JSON_COMPACT);
	if (key != NULL && (given == NULL || strcmp(given, key) != 0))
		answer(bev, 401, "{\"detail\":{\"status\":\"invalid_api_key\"}}");
	else if (agent == NULL)
		answer(bev, 404, "{\"detail\":{\"status\":\"agent_not_found\"}}");
	else
		answer(bev, 200, own ? own : good);
	free(own);
	free(given);
}

/* OpenAI's list of models: "models" of the scenario, none. */
static void on_models(struct bufferevent *bev, const char *head)
{
	const char *wanted = text_of(sim.scenario, "openaiKey", NULL);
	char *given = header(head, "Authorization");
	bool ok = given != NULL && strncmp(given, "Bearer ", 7) == 0 &&
		  (wanted == NULL || strcmp(given + 7, wanted) == 0);
	json_t *models = json_object_get(sim.scenario, "models");
	json_t *list = json_pack("{s:s, s:o}", "object", "list", "data", models ? json_incref(models) : json_array());
	char *body = json_dumps(list, JSON_COMPACT);
	answer(bev, ok ? 200 : 401, ok ? body : "{\"error\":{}}");
	json_decref(list);
	free(body);
	free(given);
}

static void on_upgrade(struct bufferevent *bev, const char *head, const char *agent_id, const char *signature)
{
	json_t *agent = json_object_get(json_object_get(sim.scenario, "agents"), agent_id);
	char *key = header(head, "Sec-WebSocket-Key"), *version = header(head, "Sec-WebSocket-Version");
	const char *bad = text_of(agent, "bad", "");
	bool private = text_of(sim.scenario, "apiKey", NULL) != NULL;
	if (agent == NULL) {
		answer(bev, 404, "{}");
	} else if (key == NULL || version == NULL || strcmp(version, "13") != 0) {
		violation(agent_id, "the upgrade lacks its key or its version");
		answer(bev, 400, "{}");
	} else if (private && signature == NULL) {
		violation(agent_id, "a private agent was opened without a signed URL");
		answer(bev, 403, "{}");
	} else if (strcmp(bad, "redirect") == 0) {
		evbuffer_add_printf(bufferevent_get_output(bev),
				    "HTTP/1.1 307 X\r\nLocation: ws://127.0.0.1:%d/elsewhere\r\nContent-Length: 0\r\n\r\n",
				    sim.port);
	} else if (strcmp(bad, "refuse_upgrade") == 0) {
		answer(bev, (int)int_of(agent, "upgrade_status", 503), "{}");
	} else {
		conversation_start(sim.base, bev, key, &dialect_elevenlabs, agent_id,
				   json_object_get(sim.scenario, "agents"), agent);
	}
	free(key);
	free(version);
}

static void on_openai(struct bufferevent *bev, const char *head, const char *model)
{
	const char *wanted = text_of(sim.scenario, "openaiKey", NULL);
	char *key = header(head, "Sec-WebSocket-Key"), *given = header(head, "Authorization");
	bool ok = wanted == NULL || (given != NULL && strncmp(given, "Bearer ", 7) == 0 &&
				     strcmp(given + 7, wanted) == 0);
	if (header(head, "OpenAI-Beta") != NULL)
		violation("openai", "OpenAI-Beta is sent to the present interface");
	if (model == NULL || key == NULL) {
		violation("openai", "the upgrade lacks its key or the model");
		answer(bev, 400, "{}");
	} else if (!ok) {
		answer(bev, 401, "{\"error\":{\"code\":\"invalid_api_key\"}}");
	} else {
		report("model", json_pack("{s:s}", "model", model));
		conversation_start(sim.base, bev, key, &dialect_openai, "openai",
				   json_object_get(sim.scenario, "agents"), NULL);
	}
	free(key);
	free(given);
}

static void on_request(struct bufferevent *bev, void *arg)
{
	(void)arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer_ptr at = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	if (at.pos < 0)
		return;
	char *head = calloc(1, (size_t)at.pos + 5), target[2048] = "", path[2048];
	evbuffer_remove(in, head, (size_t)at.pos + 4);
	sscanf(head, "GET %2047s HTTP/1.1", target);
	snprintf(path, sizeof path, "%.*s", (int)strcspn(target, "?"), target);
	struct evkeyvalq query;
	const char *mark = strchr(target, '?');
	evhttp_parse_query_str(mark ? mark + 1 : "", &query);
	const char *agent_id = evhttp_find_header(&query, "agent_id");
	if (strcmp(path, "/v1/convai/conversation/get-signed-url") == 0 && agent_id != NULL) {
		on_signed_url(bev, head, agent_id);
	} else if (strcmp(path, "/v1/convai/conversation") == 0 && agent_id != NULL) {
		on_upgrade(bev, head, agent_id, evhttp_find_header(&query, "conversation_signature"));
	} else if (strncmp(path, conversations, sizeof conversations - 1) == 0) {
		on_cost(bev, head, path + sizeof conversations - 1);
	} else if (strncmp(path, agents_path, sizeof agents_path - 1) == 0) {
		on_settings(bev, head, path + sizeof agents_path - 1);
	} else if (strcmp(path, "/v1/models") == 0) {
		on_models(bev, head);
	} else if (strcmp(path, "/v1/realtime") == 0) {
		on_openai(bev, head, evhttp_find_header(&query, "model"));
	} else {
		violation("http", "no such address: %.100s", head);
		answer(bev, 404, "{}");
	}
	evhttp_clear_headers(&query);
	free(head);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len, void *arg)
{
	(void)l;
	(void)a;
	(void)len;
	(void)arg;
	struct bufferevent *bev =
		sim.tls ? bufferevent_openssl_socket_new(sim.base, fd, SSL_new(sim.tls),
							 BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
			: bufferevent_socket_new(sim.base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, on_request, NULL, drop, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void on_stdin(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	(void)arg;
	char bytes[256];
	if (read(fd, bytes, sizeof bytes) <= 0)
		event_base_loopbreak(sim.base);
}

static void open_tls(const char *cert, const char *key)
{
	sim.tls = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate_chain_file(sim.tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(sim.tls, key, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "sim-agent: certificate or key cannot be used\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	signal(SIGPIPE, SIG_IGN);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--scenario") == 0 && i + 1 < argc) {
			sim.scenario = load_json(argv[++i]);
		} else if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
			address.sin_port = htons((uint16_t)atoi(argv[++i]));
		} else if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
			open_tls(argv[i + 1], argv[i + 2]);
			i += 2;
		}
	}
	if (sim.scenario == NULL) {
		fprintf(stderr, "usage: sim-agent --scenario FILE [--port N] [--tls CERT KEY]\n");
		return 2;
	}
	sim.base = event_base_new();
	struct evconnlistener *listener =
		evconnlistener_new_bind(sim.base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
					1024, (struct sockaddr *)&address, sizeof address);
	if (listener == NULL) {
		perror("sim-agent: bind");
		return 2;
	}
	socklen_t len = sizeof address;
	getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len);
	sim.port = ntohs(address.sin_port);
	report("listening", json_pack("{s:i}", "port", sim.port));
	evutil_make_socket_nonblocking(STDIN_FILENO);
	struct event *input = event_new(sim.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, NULL);
	event_add(input, NULL);
	event_base_dispatch(sim.base);
	conversations_end();
	event_free(input);
	evconnlistener_free(listener);
	event_base_free(sim.base);
	SSL_CTX_free(sim.tls);
	json_decref(sim.scenario);
	return violations() > 0;
}
