#include "lib/twilio/api.h"

#include "lib/base/form.h"
#include "lib/base/json_read.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TWILIO_MAGIC 0x7477696cu

enum {
	INVALID_CREDENTIALS = 20003,
	NOT_FOUND = 20404,
	TOO_MANY_REQUESTS = 20429,
	CALL_NOT_IN_PROGRESS = 21220,
	LIST_PAGE = 50,
	MESSAGES_PAGE = 200,
	AUDIO_MAX = 64 << 20, /* an hour of WAV at 8 kHz has 58 MB */
};

struct twilio {
	unsigned magic;
	struct http_client *http;
	char *base; /* …/2010-04-01/Accounts/AC… */
	char *user, *password;
};

struct request {
	twilio_answer_fn *fn;
	void *arg;
	bool over_is_done; /* 21220 means that the wish is fulfilled */
};

/* Codes and texts: www.twilio.com/docs/api/errors */
static const struct {
	int code;
	const char *advice;
} advices[] = {
	{20003, "Invalid credentials: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN in the Twilio Console."},
	{20005, "The Twilio account is not active: see the Twilio Console."},
	{20429, "Twilio is asked too often at once: try again in a minute."},
	{10004, "Too many calls at once for this Twilio account: wait for one to end."},
	{21210, "TWILIO_NUMBER (or fromNumber) is no number of this Twilio account."},
	{21211, "Check toNumber: it must be a number that exists, and not the caller's own."},
	{21212, "Check fromNumber: it must be a number of this Twilio account."},
	{21214, "This number cannot be reached."},
	{21215, "Calls to this country are not enabled: Twilio Console, Voice, Geographic Permissions."},
	{21216, "Twilio blocks calls to this number."},
	{21217, "Check toNumber: it is no valid phone number."},
	{21219, "Trial accounts call verified numbers only: verify this one, or upgrade the account."},
	{21220, "The call is not in progress."},
	{21408, "Messages to this country are not enabled: Twilio Console, Messaging, Geo permissions."},
	{21601, "This number of ours cannot send messages: take one that can."},
	{21602, "Give the message a body or media."},
	{21603, "No number to send from: set TWILIO_NUMBER or give fromNumber."},
	{21606, "Check fromNumber: it must be a number of this Twilio account that can send messages."},
	{21607, "A trial account sends from its own trial number only."},
	{21608, "Trial accounts write to verified numbers only: verify this one, or upgrade the account."},
	{21609, "PUBLIC_URL must be an address that Twilio reaches, without an underscore in the host."},
	{21610, "This person has opted out (STOP): they must text START before they can be written to."},
	{21611, "Too many messages wait for this number of ours: send fewer, or later."},
	{21612, "This number cannot be reached by message from ours."},
	{21614, "This is not a mobile number: it takes no messages."},
	{21617, "The message is longer than 1,600 characters: shorten or split it."},
	{21620, "Check mediaUrls: Twilio must be able to fetch each of them."},
	{21623, "A message takes ten media at most."},
	{14107, "Too many messages between these two numbers in a short time."},
	{30001, "The message waited too long in the queue: try again."},
	{30002, "The Twilio account is suspended: see the Twilio Console."},
	{30003, "The phone is off, away or cannot take messages: try again later."},
	{30004, "The message was blocked by the person or the carrier."},
	{30005, "This number does not exist any more, or is not known."},
	{30006, "A landline, or no carrier that could take the message."},
	{30007, "The carrier took the message for spam."},
	{30008, "The carrier gave no reason."},
	{30032, "The toll-free number must be verified before it can send."},
	{30034, "The number must be registered (A2P 10DLC) before it can send to the US."},
};

static bool is_sid(const char *text, const char *kind)
{
	return strncmp(text, kind, 2) == 0 && strspn(text + 2, "0123456789abcdefABCDEF") == 32 &&
	       text[34] == '\0';
}

bool twilio_is_call_sid(const char *text)
{
	return is_sid(text, "CA");
}

bool twilio_is_recording_sid(const char *text)
{
	return is_sid(text, "RE");
}

bool twilio_is_message_sid(const char *text)
{
	return is_sid(text, "SM") || is_sid(text, "MM");
}

bool twilio_date(const char *text, struct wall_ms *out)
{
	struct tm parts = {0};
	if (strptime(text, "%a, %d %b %Y %H:%M:%S", &parts) == NULL)
		return false;
	out->ms = (int64_t)timegm(&parts) * 1000;
	return true;
}

const char *twilio_advice(int code)
{
	for (size_t i = 0; i < sizeof advices / sizeof *advices; i++)
		if (advices[i].code == code)
			return advices[i].advice;
	return "";
}

struct twilio *twilio_new(struct http_client *http, const char *api_url, const char *account_sid,
			  const char *auth_token)
{
	struct twilio *t;
	OBJ_ALLOC(t, TWILIO_MAGIC);
	size_t len = strlen(api_url);
	while (len > 0 && api_url[len - 1] == '/')
		len--;
	t->http = http;
	t->base = xasprintf("%.*s/2010-04-01/Accounts/%s", TEXT_SPAN(api_url, len), account_sid);
	t->user = xstrdup(account_sid);
	t->password = xstrdup(auth_token);
	return t;
}

void twilio_free(struct twilio **tt)
{
	struct twilio *t = *tt;
	if (t == NULL)
		return;
	OBJ_CHECK(t, TWILIO_MAGIC);
	free(t->base);
	free(t->user);
	free(t->password);
	OBJ_FREE(t);
	*tt = NULL;
}

static void refused(const struct request *r, long status, json_t *body)
{
	int64_t code = 0;
	const char *words = "no reason given";
	char message[1024];
	struct json_reader reader;
	json_read_open(&reader, body);
	json_read_int(&reader, "code", JSON_OPTIONAL, 0, 999999, &code);
	json_read_text(&reader, "message", JSON_OPTIONAL, 1, 1000, &words);
	if (code == CALL_NOT_IN_PROGRESS && r->over_is_done) {
		struct twilio_answer done = {TWILIO_DONE, (int)code, "the call was over already", NULL, 0, 0};
		r->fn(r->arg, &done);
		return;
	}
	const char *advice = twilio_advice((int)code);
	if (code == 0)
		text_printf(message, sizeof message, "Twilio answered with HTTP status %ld.", status);
	else
		text_printf(message, sizeof message, "Twilio error %d: %.*s.%s%s", (int)code,
			    TEXT_CUT(words, 600), advice[0] ? " " : "", advice);
	struct twilio_answer answer = {TWILIO_REFUSED, (int)code, message, NULL, 0, 0};
	r->fn(r->arg, &answer);
}

static void on_answer(void *arg, const struct http_answer *a)
{
	struct request *r = arg;
	char fault[160], message[512];
	json_t *body = json_parse_object(a->body, a->body_len, fault, sizeof fault);
	if (a->outcome == HTTP_NOT_SENT || (a->outcome == HTTP_ANSWERED && a->status == 429)) {
		text_printf(message, sizeof message, "Twilio could not be reached: %s.",
			    a->status == 429 ? "it is asked too often at once" : a->fault);
		struct twilio_answer answer = {TWILIO_UNREACHED, a->status == 429 ? TOO_MANY_REQUESTS : 0,
					       message,          NULL,
					       a->retry_after_s, 0};
		r->fn(r->arg, &answer);
	} else if (a->outcome == HTTP_AMBIGUOUS || a->status >= 500 || a->status < 200) {
		text_printf(message, sizeof message, "Twilio did not answer clearly: %s.",
			    a->outcome == HTTP_AMBIGUOUS ? a->fault : "a server error");
		struct twilio_answer answer = {TWILIO_AMBIGUOUS, 0, message, NULL, a->retry_after_s, 0};
		r->fn(r->arg, &answer);
	} else if (a->status >= 300) {
		refused(r, a->status, body);
	} else if (body == NULL && a->status != 204) {
		text_printf(message, sizeof message, "Twilio's answer is %s.", fault);
		struct twilio_answer answer = {TWILIO_AMBIGUOUS, 0, message, NULL, a->retry_after_s, 0};
		r->fn(r->arg, &answer);
	} else {
		struct twilio_answer answer = {TWILIO_DONE, 0, "", body, 0, a->date_s};
		r->fn(r->arg, &answer);
	}
	json_decref(body);
	free(r);
}

static void ask(struct twilio *t, const char *method, char *url, const struct buffer *form,
		enum http_repeat repeat, unsigned tries, bool over_is_done, twilio_answer_fn *fn, void *arg)
{
	OBJ_CHECK(t, TWILIO_MAGIC);
	struct request *r = xcalloc(1, sizeof *r);
	*r = (struct request){fn, arg, over_is_done};
	struct http_ask ask = {.method = method,
			       .url = url,
			       .user = t->user,
			       .password = t->password,
			       .body = form ? (char *)form->data : NULL,
			       .body_len = form ? form->len : 0,
			       .repeat = repeat,
			       .tries = tries};
	http_client_ask(t->http, &ask, on_answer, r);
	free(url);
}

void twilio_create_call(struct twilio *t, const struct twilio_call *call, twilio_answer_fn *fn, void *arg)
{
	static const char *const events[] = {"initiated", "ringing", "answered", "completed"};
	struct buffer form = {0};
	char number[16];
	form_append(&form, "To", call->to);
	form_append(&form, "From", call->from);
	form_append(&form, "Url", call->url);
	form_append(&form, "Method", "POST");
	form_append(&form, "StatusCallback", call->status_callback);
	form_append(&form, "StatusCallbackMethod", "POST");
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		form_append(&form, "StatusCallbackEvent", events[i]);
	snprintf(number, sizeof number, "%u", call->ring_timeout_s);
	form_append(&form, "Timeout", number);
	snprintf(number, sizeof number, "%u", call->time_limit_s);
	form_append(&form, "TimeLimit", number);
	if (call->machine_detection != NULL) {
		form_append(&form, "MachineDetection", call->machine_detection);
		form_append(&form, "AsyncAmd", "true");
		form_append(&form, "AsyncAmdStatusCallback", call->amd_callback);
		form_append(&form, "AsyncAmdStatusCallbackMethod", "POST");
	}
	if (call->recording_callback != NULL) {
		form_append(&form, "Record", "true");
		form_append(&form, "RecordingChannels", "dual");
		form_append(&form, "Trim", "do-not-trim");
		form_append(&form, "RecordingStatusCallback", call->recording_callback);
		form_append(&form, "RecordingStatusCallbackEvent", "in-progress completed absent");
	}
	ask(t, "POST", xasprintf("%s/Calls.json", t->base), &form, HTTP_ONCE_AT_MOST, 0, false, fn, arg);
	buffer_free(&form);
}

void twilio_end_call(struct twilio *t, const char *sid, twilio_answer_fn *fn, void *arg)
{
	struct buffer form = {0};
	form_append(&form, "Status", "completed");
	/* Ending twice ends once: this may be repeated. */
	ask(t, "POST", xasprintf("%s/Calls/%s.json", t->base, sid), &form, HTTP_REPEATABLE, 0, true, fn, arg);
	buffer_free(&form);
}

void twilio_redirect_call(struct twilio *t, const char *sid, const char *url, twilio_answer_fn *fn, void *arg)
{
	struct buffer form = {0};
	form_append(&form, "Url", url);
	form_append(&form, "Method", "POST");
	ask(t, "POST", xasprintf("%s/Calls/%s.json", t->base, sid), &form, HTTP_ONCE_AT_MOST, 0, false, fn,
	    arg);
	buffer_free(&form);
}

void twilio_record_call(struct twilio *t, const char *sid, const char *callback, twilio_answer_fn *fn,
			void *arg)
{
	struct buffer form = {0};
	form_append(&form, "RecordingChannels", "dual");
	form_append(&form, "RecordingStatusCallback", callback);
	form_append(&form, "RecordingStatusCallbackEvent", "in-progress completed absent");
	ask(t, "POST", xasprintf("%s/Calls/%s/Recordings.json", t->base, sid), &form, HTTP_ONCE_AT_MOST, 0,
	    false, fn, arg);
	buffer_free(&form);
}

void twilio_delete_recording(struct twilio *t, const char *recording_sid, twilio_answer_fn *fn, void *arg)
{
	ask(t, "DELETE", xasprintf("%s/Recordings/%s.json", t->base, recording_sid), NULL, HTTP_REPEATABLE, 0,
	    false, fn, arg);
}

struct audio_request {
	twilio_audio_fn *fn;
	void *arg;
};

static void on_audio(void *arg, const struct http_answer *a)
{
	struct audio_request *r = arg;
	char message[512] = "";
	struct twilio_answer answer = {
		.outcome = TWILIO_DONE, .message = message, .retry_after_s = a->retry_after_s};
	if (a->outcome != HTTP_ANSWERED || a->status >= 500) {
		answer.outcome = TWILIO_UNREACHED;
		text_printf(message, sizeof message, "Twilio did not send the recording: %s.",
			    a->outcome != HTTP_ANSWERED ? a->fault : "a server error");
	} else if (a->status != 200) {
		answer.outcome = TWILIO_REFUSED;
		answer.code = a->status == 404 ? NOT_FOUND : 0;
		text_printf(message, sizeof message, "%s",
			    a->status == 404
				    ? "Twilio has no audio of this recording: it was deleted, or is not "
				      "complete yet."
			    : a->status == 401 ? twilio_advice(INVALID_CREDENTIALS)
					       : "Twilio refused to send the recording.");
	}
	bool done = answer.outcome == TWILIO_DONE;
	r->fn(r->arg, &answer, done ? a->body : NULL, done ? a->body_len : 0);
	free(r);
}

void twilio_fetch_recording(struct twilio *t, const char *recording_sid, enum twilio_audio format,
			    twilio_audio_fn *fn, void *arg)
{
	OBJ_CHECK(t, TWILIO_MAGIC);
	struct audio_request *r = xcalloc(1, sizeof *r);
	*r = (struct audio_request){fn, arg};
	char *url = xasprintf("%s/Recordings/%s.%s", t->base, recording_sid,
			      format == TWILIO_WAV ? "wav" : "mp3");
	struct http_ask ask = {.method = "GET",
			       .url = url,
			       .user = t->user,
			       .password = t->password,
			       .repeat = HTTP_REPEATABLE,
			       .redirects = 3,
			       .body_max = AUDIO_MAX};
	http_client_ask(t->http, &ask, on_audio, r);
	free(url);
}

void twilio_list_numbers(struct twilio *t, const char *number, twilio_answer_fn *fn, void *arg)
{
	struct buffer query = {0};
	if (number != NULL)
		form_append(&query, "PhoneNumber", number);
	form_append(&query, "PageSize", "1000");
	ask(t, "GET",
	    xasprintf("%s/IncomingPhoneNumbers.json?%.*s", t->base, TEXT_SPAN((char *)query.data, query.len)),
	    NULL, HTTP_REPEATABLE, 0, false, fn, arg);
	buffer_free(&query);
}

static void append_webhook(struct buffer *form, const char *name, const char *url, const char *method)
{
	if (url == NULL)
		return;
	form_append(form, name, url);
	form_append(form, method, "POST");
}

void twilio_set_webhooks(struct twilio *t, const char *number_sid, const struct twilio_webhooks *w,
			 twilio_answer_fn *fn, void *arg)
{
	struct buffer form = {0};
	append_webhook(&form, "VoiceUrl", w->voice_url, "VoiceMethod");
	append_webhook(&form, "StatusCallback", w->status_callback, "StatusCallbackMethod");
	append_webhook(&form, "SmsUrl", w->sms_url, "SmsMethod");
	/* Setting the same twice sets it once. */
	ask(t, "POST", xasprintf("%s/IncomingPhoneNumbers/%s.json", t->base, number_sid), &form,
	    HTTP_REPEATABLE, 0, false, fn, arg);
	buffer_free(&form);
}

void twilio_list_transcriptions(struct twilio *t, const char *recording_sid, twilio_answer_fn *fn, void *arg)
{
	ask(t, "GET", xasprintf("%s/Recordings/%s/Transcriptions.json", t->base, recording_sid), NULL,
	    HTTP_REPEATABLE, 0, false, fn, arg);
}

void twilio_fetch_call(struct twilio *t, const char *sid, twilio_answer_fn *fn, void *arg)
{
	ask(t, "GET", xasprintf("%s/Calls/%s.json", t->base, sid), NULL, HTTP_REPEATABLE, 0, false, fn, arg);
}

void twilio_find_calls(struct twilio *t, const char *to, const char *from, const char *day,
		       twilio_answer_fn *fn, void *arg)
{
	struct buffer query = {0};
	char size[8];
	snprintf(size, sizeof size, "%d", LIST_PAGE);
	form_append(&query, "To", to);
	form_append(&query, "From", from);
	form_append(&query, "StartTime>", day);
	form_append(&query, "PageSize", size);
	ask(t, "GET", xasprintf("%s/Calls.json?%.*s", t->base, TEXT_SPAN((char *)query.data, query.len)),
	    NULL, HTTP_REPEATABLE, 0, false, fn, arg);
	buffer_free(&query);
}

void twilio_create_message(struct twilio *t, const struct twilio_message *m, twilio_answer_fn *fn, void *arg)
{
	struct buffer form = {0};
	size_t i;
	json_t *url;
	form_append(&form, "To", m->to);
	form_append(&form, "From", m->from);
	form_append(&form, "StatusCallback", m->status_callback);
	if (m->body[0] != '\0')
		form_append(&form, "Body", m->body);
	json_array_foreach (m->media_urls, i, url)
		form_append(&form, "MediaUrl", json_string_value(url));
	ask(t, "POST", xasprintf("%s/Messages.json", t->base), &form, HTTP_ONCE_AT_MOST, 1, false, fn, arg);
	buffer_free(&form);
}

void twilio_fetch_message(struct twilio *t, const char *sid, twilio_answer_fn *fn, void *arg)
{
	ask(t, "GET", xasprintf("%s/Messages/%s.json", t->base, sid), NULL, HTTP_REPEATABLE, 0, false, fn,
	    arg);
}

void twilio_find_messages(struct twilio *t, const char *to, const char *from, twilio_answer_fn *fn, void *arg)
{
	struct buffer query = {0};
	char size[8];
	snprintf(size, sizeof size, "%d", MESSAGES_PAGE);
	form_append(&query, "To", to);
	form_append(&query, "From", from);
	form_append(&query, "PageSize", size);
	ask(t, "GET", xasprintf("%s/Messages.json?%.*s", t->base, TEXT_SPAN((char *)query.data, query.len)),
	    NULL, HTTP_REPEATABLE, 0, false, fn, arg);
	buffer_free(&query);
}

void twilio_fetch_account(struct twilio *t, twilio_answer_fn *fn, void *arg)
{
	ask(t, "GET", xasprintf("%s.json", t->base), NULL, HTTP_REPEATABLE, 0, false, fn, arg);
}
