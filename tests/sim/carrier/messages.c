/*
 * Twilio's REST API for messages, and their status callbacks.
 *
 * scenario.messages: {
 *	faults: ["drop", …]           of the first requests, in their order:
 *	                              drop: processed, but the answer is lost; lose: never processed;
 *	                              late: the answer is lost, processed half a second later;
 *	                              500: refused so; 500-done: processed all the same;
 *	                              429: refused; 429:N: with Retry-After N; slow: processed and answered
 *	                              after 300 ms; slow:N: after N ms, whoever asked still there or not;
 *	                              CODE: refused with this error of Twilio's (21611)
 *	random: {seed, drop: 0.1, …}  the same by chance, for requests after those
 *	callbacks: [words]            reorder: delivered before sent; double: each twice;
 *	                              early: before the answer; none;
 *	                              anonymous: to the URL without its query
 *	step_ms: 40                   between one state and the next
 *	blind: true                   lists show nothing yet (Twilio is eventually consistent)
 *	late_ms: 500                  how late "late" is
 *	undelivered: {NUMBER: CODE}, optedOut: [NUMBER]
 *	prefix: "Sent from your Twilio trial account - "  put before each body
 * }
 */
#include "tests/sim/carrier/carrier.h"
#include "tests/sim/common/report.h"

#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LATE_MS = 500, SLOW_MS = 300, STEP_MS = 40, EARLY_MS = 60, BODY_UNITS = 1600, MEDIA_MAX = 10 };

struct message {
	LIST_ENTRY(message) next;
	char sid[35], to[20], from[20], *body, *callback;
	const char *status;
	int media, error_code;
	time_t created;
	bool visible;
	struct evhttp_request *waiting; /* to be answered later */
	struct event *timer;
	int step;
};

static LIST_HEAD(, message) messages = LIST_HEAD_INITIALIZER(messages);
static size_t creates;


static unsigned random_state;

static json_t *settings(const char *name)
{
	return json_object_get(json_object_get(carrier.scenario, "messages"), name);
}

static bool told(const char *list, const char *word)
{
	size_t i;
	json_t *one;
	json_array_foreach (settings(list), i, one)
		if (strcmp(json_string_value(one), word) == 0)
			return true;
	return false;
}

static void after(struct message *m, int ms, event_callback_fn fn)
{
	struct timeval delay = {ms / 1000, ms % 1000 * 1000};
	if (m->timer != NULL)
		event_free(m->timer);
	m->timer = evtimer_new(carrier.base, fn, m);
	evtimer_add(m->timer, &delay);
}

static json_t *resource(const struct message *m)
{
	char date[64], media[8];
	carrier_date(m->created, date);
	snprintf(media, sizeof media, "%d", m->media);
	json_t *r = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:n, s:s, s:s, s:n, s:n}", "sid",
			      m->sid, "account_sid", carrier.account_sid, "to", m->to, "from", m->from, "body",
			      m->body, "status", m->status, "direction", "outbound-api", "date_created", date,
			      "date_updated", date, "date_sent", "num_media", media, "num_segments", "1",
			      "price", "error_message");
	json_object_set_new(r, "error_code", m->error_code ? json_integer(m->error_code) : json_null());
	return r;
}

/* ---- status callbacks ---- */

static void on_hook(void *arg, int status, const char *type, const char *body)
{
	(void)arg;
	(void)type;
	(void)body;
	if (status != 204 && status != 200 && status != 0)
		report("status-refused", json_pack("{s:i}", "status", status));
}

static void call_back(struct message *m, const char *status)
{
	struct evkeyvalq params;
	char code[8];
	if (m->callback == NULL || told("callbacks", "none"))
		return;
	TAILQ_INIT(&params);
	rest_param(&params, "MessageSid", m->sid);
	rest_param(&params, "SmsSid", m->sid);
	rest_param(&params, "MessageStatus", status);
	rest_param(&params, "SmsStatus", status);
	rest_param(&params, "To", m->to);
	rest_param(&params, "From", m->from);
	rest_param(&params, "AccountSid", carrier.account_sid);
	rest_param(&params, "ApiVersion", "2010-04-01");
	if (strcmp(status, "undelivered") == 0) {
		snprintf(code, sizeof code, "%d", m->error_code);
		rest_param(&params, "ErrorCode", code);
	}
	char *url = strndup(m->callback, told("callbacks", "anonymous") ? strcspn(m->callback, "?") : SIZE_MAX);
	hook_post(url, &params, on_hook, NULL);
	if (told("callbacks", "double"))
		hook_post(url, &params, on_hook, NULL);
	free(url);
	evhttp_clear_headers(&params);
}

static int ms_of(const char *name, int usual)
{
	json_t *given = settings(name);
	return given ? (int)json_integer_value(given) : usual;
}

static const char *last_state(const struct message *m)
{
	return m->error_code ? "undelivered" : "delivered";
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct message *m = arg;
	bool reorder = told("callbacks", "reorder");
	if (m->step++ == 0) {
		m->status = reorder ? last_state(m) : "sent";
		call_back(m, m->status);
		after(m, ms_of("step_ms", STEP_MS), on_step);
	} else {
		m->status = last_state(m);
		call_back(m, reorder ? "sent" : m->status);
	}
}

/* ---- creating ---- */

static void accept_message(struct message *m)
{
	m->visible = true;
	m->created = carrier_time();
	json_t *code = json_object_get(settings("undelivered"), m->to);
	m->error_code = (int)json_integer_value(code);
	report("message-created", json_pack("{s:s, s:s, s:s, s:s, s:i}", "messageSid", m->sid, "to", m->to,
					    "from", m->from, "body", m->body, "media", m->media));
	if (!told("callbacks", "early"))
		after(m, ms_of("step_ms", STEP_MS), on_step);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	accept_message(arg);
}

/* The answer that was put off. */
static void answer_now(struct message *m)
{
	json_t *created = resource(m);
	json_object_set_new(created, "status", json_string("queued"));
	if (m->waiting != NULL)
		rest_answer(m->waiting, 201, json_incref(created));
	m->waiting = NULL;
	json_decref(created);
}

/* Whoever asked has not waited. */
static void on_gone(struct evhttp_connection *connection, void *arg)
{
	struct message *m = arg;
	(void)connection;
	m->waiting = NULL;
}

static void on_slow(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	answer_now(arg);
	accept_message(arg);
}

static void on_early(evutil_socket_t fd, short what, void *arg)
{
	answer_now(arg);
	on_step(fd, what, arg);
}

static size_t utf16_units(const char *text)
{
	size_t units = 0;
	for (; *text; text++)
		units += (unsigned char)*text >= 0xf0 ? 2 : ((unsigned char)*text & 0xc0) != 0x80;
	return units;
}

/* What Twilio refuses: the code, or 0. */
static int refusal(const char *to, const char *from, const char *body, int media, const char **words)
{
	*words = "";
	if (strcmp(to, "+15005550001") == 0)
		return *words = "Invalid 'To' Phone Number: +15005550001", 21211;
	if (!rest_number_is_ours(from))
		return *words = "The From phone number is not a valid, SMS-capable inbound phone number for your account",
		       21606;
	if (told("optedOut", to))
		return *words = "Attempt to send to unsubscribed recipient", 21610;
	if (body[0] == '\0' && media == 0)
		return *words = "Message body is required.", 21602;
	if (utf16_units(body) > BODY_UNITS)
		return *words = "The concatenated message body exceeds the 1600 character limit.", 21617;
	if (media > MEDIA_MAX)
		return *words = "Number of media files exceeds allowed limit", 21623;
	return 0;
}

void message_create(struct evhttp_request *r, struct evkeyvalq *form)
{
	const char *to = evhttp_find_header(form, "To"), *from = evhttp_find_header(form, "From");
	const char *body = evhttp_find_header(form, "Body"), *callback = evhttp_find_header(form, "StatusCallback");
	const char *words;
	int media = 0;
	struct evkeyval *p;
	TAILQ_FOREACH (p, form, next)
		media += strcmp(p->key, "MediaUrl") == 0;
	body = body ? body : "";
	json_t *fault = json_array_get(settings("faults"), creates++);
	const char *how = json_is_string(fault) ? json_string_value(fault) : fault ? "" : rest_chance(settings("random"), &random_state);
	report("message-request", json_pack("{s:s, s:s}", "to", to ? to : "", "fault", how));
	if (to == NULL || from == NULL) {
		rest_refuse(r, 400, to ? 21603 : 21604, "A 'From' and a 'To' phone number are required");
		return;
	}
	if (strncmp(how, "429", 3) == 0) {
		if (how[3] == ':')
			evhttp_add_header(evhttp_request_get_output_headers(r), "Retry-After", how + 4);
		rest_refuse(r, 429, 20429, "Too Many Requests");
		return;
	}
	int code = refusal(to, from, body, media, &words);
	if (code == 0 && strlen(how) == 5 && strspn(how, "0123456789") == 5) {
		code = atoi(how);
		words = "Refused by the scenario";
	}
	if (code != 0) {
		rest_refuse(r, 400, code, words);
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
	static unsigned serial;
	struct message *m = calloc(1, sizeof *m);
	snprintf(m->sid, sizeof m->sid, "%s%08x%024x", media ? "MM" : "SM", (unsigned)getpid(), ++serial);
	snprintf(m->to, sizeof m->to, "%s", to);
	snprintf(m->from, sizeof m->from, "%s", from);
	const char *prefix = json_string_value(settings("prefix"));
	m->body = malloc(strlen(body) + strlen(prefix ? prefix : "") + 1);
	sprintf(m->body, "%s%s", prefix ? prefix : "", body);
	m->callback = callback ? strdup(callback) : NULL;
	m->media = media;
	m->status = "queued";
	LIST_INSERT_HEAD(&messages, m, next);
	if (strcmp(how, "late") == 0) {
		rest_drop(r);
		after(m, ms_of("late_ms", LATE_MS), on_late);
		return;
	}
	if (strncmp(how, "slow", 4) == 0) {
		m->waiting = r;
		evhttp_connection_set_closecb(evhttp_request_get_connection(r), on_gone, m);
		after(m, how[4] == ':' ? atoi(how + 5) : ms_of("slow_ms", SLOW_MS), on_slow);
		return;
	}
	accept_message(m);
	if (strcmp(how, "drop") == 0) {
		rest_drop(r);
	} else if (strcmp(how, "500-done") == 0) {
		rest_refuse(r, 500, 20500, "Internal Server Error");
	} else if (told("callbacks", "early")) {
		m->waiting = r;
		on_step(-1, 0, m);
		after(m, EARLY_MS, on_early);
	} else {
		rest_answer(r, 201, resource(m));
	}
}

void message_list(struct evhttp_request *r, struct evkeyvalq *query)
{
	const char *to = evhttp_find_header(query, "To"), *from = evhttp_find_header(query, "From");
	const char *size = evhttp_find_header(query, "PageSize");
	size_t most = size ? (size_t)atoi(size) : 50;
	json_t *list = json_array();
	struct message *m;
	LIST_FOREACH (m, &messages, next)
		if (m->visible && !json_is_true(settings("blind")) && (to == NULL || strcmp(m->to, to) == 0) &&
		    (from == NULL || strcmp(m->from, from) == 0) && json_array_size(list) < most)
			json_array_append_new(list, resource(m));
	rest_answer(r, 200, json_pack("{s:o, s:i, s:i, s:n}", "messages", list, "page", 0, "page_size", (int)most,
				      "next_page_uri"));
}

void message_fetch(struct evhttp_request *r, const char *sid)
{
	struct message *m;
	json_t *inbound = json_object_get(settings("inbound"), sid);
	if (inbound != NULL) {
		rest_answer(r, 200, json_incref(inbound));
		return;
	}
	LIST_FOREACH (m, &messages, next)
		if (m->visible && strcmp(m->sid, sid) == 0) {
			rest_answer(r, 200, resource(m));
			return;
		}
	rest_refuse(r, 404, 20404, "The requested resource was not found");
}
