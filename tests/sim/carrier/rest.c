/* Twilio's REST API: who may ask, for what; calls. */
#include "tests/sim/carrier/carrier.h"

#include "lib/base/base64.h"
#include "lib/base/form.h"
#include "tests/sim/common/report.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

time_t carrier_time(void)
{
	return time(NULL) + (time_t)int_of(carrier.scenario, "clock_skew_s", 0);
}

void carrier_date(time_t when, char out[64])
{
	struct tm parts;
	gmtime_r(&when, &parts);
	strftime(out, 64, "%a, %d %b %Y %H:%M:%S +0000", &parts);
}

void rest_answer(struct evhttp_request *r, int status, json_t *body)
{
	struct evbuffer *out = evbuffer_new();
	char *text = json_dumps(body, JSON_COMPACT);
	evbuffer_add(out, text, strlen(text));
	free(text);
	json_decref(body);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(r);
	evhttp_add_header(headers, "Content-Type", "application/json");
	const char *date = json_string_value(json_object_get(carrier.scenario, "date"));
	char now[64];
	carrier_date(carrier_time(), now);
	evhttp_add_header(headers, "Date", date ? date : now);
	evhttp_add_header(headers, "Twilio-Request-Id", "RQ00000000000000000000000000000000");
	evhttp_send_reply(r, status, "X", out);
	evbuffer_free(out);
}

void rest_refuse(struct evhttp_request *r, int status, int code, const char *message)
{
	char info[80];
	snprintf(info, sizeof info, "https://www.twilio.com/docs/errors/%d", code);
	rest_answer(r, status,
	       json_pack("{s:i, s:s, s:s, s:i}", "code", code, "message", message, "more_info", info,
			 "status", status));
}

static bool authorized(struct evhttp_request *r)
{
	char pair[256], expected[400] = "Basic ";
	int n = snprintf(pair, sizeof pair, "%s:%s", carrier.account_sid, carrier.auth_token);
	expected[6 + base64_encode(pair, (size_t)n, expected + 6)] = '\0';
	const char *given = evhttp_find_header(evhttp_request_get_input_headers(r), "Authorization");
	return given != NULL && strcmp(given, expected) == 0;
}

static json_t *callee_of(const char *to)
{
	json_t *callee = json_object_get(json_object_get(carrier.scenario, "callees"), to);
	return callee ? callee : json_object_get(carrier.scenario, "default");
}

static unsigned wanted_events(struct evkeyvalq *form)
{
	static const char *const names[] = {"initiated", "ringing", "answered", "completed"};
	unsigned events = 0;
	struct evkeyval *p;
	TAILQ_FOREACH (p, form, next)
		for (unsigned i = 0; i < 4; i++)
			if (strcmp(p->key, "StatusCallbackEvent") == 0 && strcmp(p->value, names[i]) == 0)
				events |= 1u << i;
	return events ? events : 8;
}

bool rest_number_is_ours(const char *from)
{
	size_t i;
	json_t *number;
	json_array_foreach (json_object_get(carrier.scenario, "numbers"), i, number)
		if (strcmp(json_string_value(number), from) == 0)
			return true;
	return false;
}

/* Cuts the connection without an answer. */
void rest_drop(struct evhttp_request *r)
{
	evhttp_connection_free(evhttp_request_get_connection(r));
}

const char *rest_chance(const json_t *random, unsigned *state)
{
	static char how[16];
	json_t *share;
	const char *name;
	if (random == NULL)
		return "";
	if (*state == 0)
		*state = (unsigned)json_integer_value(json_object_get(random, "seed")) | 1u;
	double roll = (double)rand_r(state) / RAND_MAX;
	json_object_foreach ((json_t *)random, name, share) {
		if (strcmp(name, "seed") == 0)
			continue;
		roll -= json_number_value(share);
		if (roll < 0) {
			snprintf(how, sizeof how, "%s", name);
			return how;
		}
	}
	return "";
}

struct put_off {
	struct evhttp_request *request;
	struct call *call;
};

/* Whoever asked may have gone: evhttp keeps the request until it is answered. */
static void on_put_off(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct put_off *p = arg;
	rest_answer(p->request, 201, call_resource(p->call));
	free(p);
}

static void answer_later(struct evhttp_request *r, struct call *c)
{
	enum { SLOW_MS = 12000 };
	int ms = (int)int_of(carrier.scenario, "slow_ms", SLOW_MS);
	struct timeval delay = {ms / 1000, ms % 1000 * 1000};
	struct put_off *p = calloc(1, sizeof *p);
	*p = (struct put_off){r, c};
	event_base_once(carrier.base, -1, EV_TIMEOUT, on_put_off, p, &delay);
}

static void create_call(struct evhttp_request *r, struct evkeyvalq *form)
{
	static unsigned random_state;
	const char *to = evhttp_find_header(form, "To"), *from = evhttp_find_header(form, "From");
	json_t *faults = json_object_get(carrier.scenario, "create_faults");
	json_t *fault = json_array_get(faults, carrier.creates++);
	const char *how = json_is_string(fault) ? json_string_value(fault)
			  : fault		? ""
						: rest_chance(json_object_get(carrier.scenario, "create_random"), &random_state);
	report("create", json_pack("{s:s, s:s}", "to", to, "fault", how));
	if (strcmp(how, "429") == 0) {
		rest_refuse(r, 429, 20429, "Too Many Requests");
		return;
	}
	if (strcmp(how, "lose") == 0) {
		rest_drop(r);
		return;
	}
	if (strcmp(how, "500") == 0) {
		rest_refuse(r, 500, 20500, "Internal Server Error");
		return;
	}
	if (strcmp(how, "refuse") == 0) {
		/* What carriers and people name things is not ASCII, and longer than a line. */
		rest_refuse(r, 400, 21216, "L’appel vers « Café Żółw » est refusé — 電話をかけることができません。— "
				   "Вызов на этот номер запрещён. L’appel vers « Café Żółw » est refusé — 電話をかけることができません。— "
				   "Вызов на этот номер запрещён. L’appel vers « Café Żółw » est refusé — 電話をかけることができません。");
		return;
	}
	if (strcmp(to, "+15005550001") == 0) {
		rest_refuse(r, 400, 21211, "The 'To' number +15005550001 is not a valid phone number.");
		return;
	}
	if (!rest_number_is_ours(from)) {
		rest_refuse(r, 400, 21210,
		       "The source phone number provided is not yet verified for your account.");
		return;
	}
	if (evhttp_find_header(form, "Url") == NULL && evhttp_find_header(form, "Twiml") == NULL) {
		rest_refuse(r, 400, 21205, "Url parameter is required.");
		return;
	}
	struct call *c =
		call_new(to, from, evhttp_find_header(form, "Url"),
			 evhttp_find_header(form, "StatusCallback"), wanted_events(form), callee_of(to));
	const char *amd = evhttp_find_header(form, "MachineDetection"), *timeout = evhttp_find_header(form, "Timeout");
	const char *limit = evhttp_find_header(form, "TimeLimit");
	if (amd != NULL && evhttp_find_header(form, "AsyncAmdStatusCallback") == NULL)
		violation("rest", "MachineDetection without a place for the verdict (21262)");
	if (amd != NULL)
		c->amd_callback = strdup(evhttp_find_header(form, "AsyncAmdStatusCallback"));
	c->detect_end = amd != NULL && strcmp(amd, "DetectMessageEnd") == 0;
	c->ring_timeout_s = timeout ? atoi(timeout) : 60;
	c->time_limit_s = limit ? atoi(limit) : 14400;
	if (evhttp_find_header(form, "Record") != NULL) {
		const char *to_whom = evhttp_find_header(form, "RecordingStatusCallback");
		c->recorded = true;
		c->recording_callback = to_whom ? strdup(to_whom) : NULL;
	}
	report("call-created", json_pack("{s:s, s:s}", "callSid", c->sid, "to", to));
	call_begin(c);
	/* Processed, but the answer is lost on its way, late, or wrong. */
	if (strcmp(how, "drop") == 0)
		rest_drop(r);
	else if (strcmp(how, "slow") == 0)
		answer_later(r, c);
	else if (strcmp(how, "500-done") == 0)
		rest_refuse(r, 500, 20500, "Internal Server Error");
	else
		rest_answer(r, 201, call_resource(c));
}

static void list_calls(struct evhttp_request *r, struct evkeyvalq *query)
{
	const char *to = evhttp_find_header(query, "To"), *from = evhttp_find_header(query, "From");
	json_t *list = json_array();
	struct call *c;
	LIST_FOREACH (c, &carrier.calls, next)
		if (!c->hidden && (to == NULL || strcmp(c->to, to) == 0) &&
		    (from == NULL || strcmp(c->from, from) == 0))
			json_array_append_new(list, call_resource(c));
	rest_answer(r, 200,
	       json_pack("{s:o, s:i, s:i, s:n}", "calls", list, "page", 0, "page_size", 50, "next_page_uri"));
}

static void update_call(struct evhttp_request *r, struct call *c, struct evkeyvalq *form)
{
	const char *status = evhttp_find_header(form, "Status"), *url = evhttp_find_header(form, "Url");
	const char *twiml = evhttp_find_header(form, "Twiml");
	/* "lose": never processed, and not answered; "drop": processed, and not answered; each once. */
	json_t *faults = json_object_get(carrier.scenario, "update_faults"), *fault = json_array_get(faults, 0);
	bool lost = json_is_string(fault) && strcmp(json_string_value(fault), "lose") == 0;
	bool dropped = json_is_string(fault) && strcmp(json_string_value(fault), "drop") == 0;
	json_array_remove(faults, 0);
	if (lost) {
		report("update-lost", json_pack("{s:s}", "callSid", c->sid));
		rest_drop(r);
		return;
	}
	report("update", json_pack("{s:s, s:s?, s:s?}", "callSid", c->sid, "status", status, "url", url));
	if (call_is_over(c)) {
		rest_refuse(r, 400, 21220, "Call is not in-progress. Cannot redirect.");
	} else if (status != NULL && strcmp(status, "completed") == 0) {
		call_end(c, "completed");
		rest_answer(r, 200, call_resource(c));
	} else if (url != NULL || twiml != NULL) {
		call_take_over(c, url, twiml);
		if (dropped)
			rest_drop(r);
		else
			rest_answer(r, 200, call_resource(c));
	} else {
		rest_refuse(r, 400, 20001, "Neither Status=completed, nor Url, nor Twiml.");
	}
}

void rest_param(struct evkeyvalq *params, const char *key, const char *value)
{
	struct evkeyval *p = calloc(1, sizeof *p);
	p->key = strdup(key);
	p->value = strdup(value);
	TAILQ_INSERT_TAIL(params, p, next);
}

/* Not evhttp's parser: it drops a value that has CR LF, as a header may not. */
static void parse_params(const char *text, struct evkeyvalq *params)
{
	struct form form;
	TAILQ_INIT(params);
	if (!form_parse(text, strlen(text), &form))
		violation("rest", "no form: %s", text);
	for (size_t i = 0; i < form.count; i++)
		rest_param(params, form.fields[i].name, form.fields[i].value);
	form_free(&form);
}

void rest_handle(struct evhttp_request *r, void *arg)
{
	(void)arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(r);
	const char *path = evhttp_uri_get_path(uri), *query = evhttp_uri_get_query(uri);
	bool post = evhttp_request_get_command(r) == EVHTTP_REQ_POST;
	bool delete = evhttp_request_get_command(r) == EVHTTP_REQ_DELETE;
	char prefix[100], *rest, body[65536];
	struct evkeyvalq params;
	struct evbuffer *in = evhttp_request_get_input_buffer(r);
	ssize_t n = evbuffer_copyout(in, body, sizeof body - 1);
	body[n > 0 ? n : 0] = '\0';
	snprintf(prefix, sizeof prefix, "/2010-04-01/Accounts/%s.json", carrier.account_sid);
	if (storage_handle(r, path))
		return;
	if (json_is_true(json_object_get(carrier.scenario, "unauthorized"))) {
		report("unauthorized", json_pack("{s:s}", "path", path));
		rest_refuse(r, 401, 20003, "Authenticate");
		return;
	}
	if (!authorized(r)) {
		rest_refuse(r, 401, 20003, "Authenticate");
		return;
	}
	if (strcmp(path, prefix) == 0) {
		rest_answer(r, 200, json_pack("{s:s, s:s}", "sid", carrier.account_sid, "status", "active"));
		return;
	}
	prefix[strlen(prefix) - 5] = '/';
	prefix[strlen(prefix) - 4] = '\0';
	if (strncmp(path, prefix, strlen(prefix)) != 0) {
		rest_refuse(r, 404, 20404, "The requested resource was not found");
		return;
	}
	parse_params(post ? body : query ? query : "", &params);
	if (numbers_handle(r, path + strlen(prefix), post, &params)) {
		evhttp_clear_headers(&params);
		return;
	}
	if (!spec_check(post ? "POST" : delete ? "DELETE" : "GET", path, &params, "rest")) {
		rest_refuse(r, 400, 20001, "Unknown parameters or values");
		evhttp_clear_headers(&params);
		return;
	}
	rest = (char *)path + strlen(prefix);
	char sid[40] = "";
	if (strcmp(rest, "Calls.json") == 0) {
		post ? create_call(r, &params) : list_calls(r, &params);
	} else if (post && sscanf(rest, "Calls/%34[A-Za-z0-9]/Recordings.json", sid) == 1 &&
		   strstr(rest, "/Recordings.json") != NULL) {
		struct call *c = call_find(sid);
		if (c == NULL || call_is_over(c)) {
			rest_refuse(r, 400, 21220, "Requested resource is not eligible for recording");
		} else {
			call_record(c, evhttp_find_header(&params, "RecordingStatusCallback"));
			rest_answer(r, 201, json_pack("{s:s, s:s, s:s, s:i}", "sid", c->recording_sid, "call_sid",
						      c->sid, "status", "in-progress", "channels", 2));
		}
	} else if (sscanf(rest, "Calls/%34[A-Za-z0-9].json", sid) == 1) {
		struct call *c = call_find(sid);
		if (c == NULL)
			rest_refuse(r, 404, 20404, "The requested resource was not found");
		else if (post)
			update_call(r, c, &params);
		else
			rest_answer(r, 200, call_resource(c));
	} else if (delete && sscanf(rest, "Recordings/%34[A-Za-z0-9].json", sid) == 1) {
		/* "recordings": {SID: true}, those that are there */
		json_t *there = json_object_get(carrier.scenario, "recordings");
		if (json_is_true(json_object_get(carrier.scenario, "recordings_stay"))) {
			report("recording-stays", json_pack("{s:s}", "recordingSid", sid));
			rest_refuse(r, 500, 20500, "Internal Server Error");
		} else if (json_object_del(there, sid) != 0) {
			rest_refuse(r, 404, 20404, "The requested resource was not found");
		} else {
			report("recording-deleted", json_pack("{s:s}", "recordingSid", sid));
			evhttp_send_reply(r, 204, "No Content", NULL);
		}
	} else if (strcmp(rest, "Messages.json") == 0) {
		post ? message_create(r, &params) : message_list(r, &params);
	} else if (!post && sscanf(rest, "Messages/%34[A-Za-z0-9].json", sid) == 1) {
		message_fetch(r, sid);
	} else {
		rest_refuse(r, 404, 20404, "The requested resource was not found");
	}
	evhttp_clear_headers(&params);
}
