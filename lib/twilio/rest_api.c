#include "lib/twilio/rest_api.h"

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
	int timeout_ms;
};

struct request {
	twilio_answer_fn *fn;
	void *arg;
	bool over_is_done; /* 21220 means that the wish is fulfilled */
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

struct twilio *twilio_new(struct http_client *http, const char *api_url, const char *account_sid,
			  const char *auth_token, unsigned timeout_s)
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
	t->timeout_ms = (int)timeout_s * 1000;
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

/* Twilio's error code and words. */
static int read_error(json_t *body, const char **words)
{
	int64_t code = 0;
	struct json_reader reader;
	json_read_open(&reader, body);
	json_read_int(&reader, "code", JSON_OPTIONAL, 0, 999999, &code);
	json_read_text(&reader, "message", JSON_OPTIONAL, 1, 1000, words);
	return (int)code;
}

static void describe(char *out, size_t size, const struct twilio_answer *answer, const struct http_answer *a,
		     const char *words, const char *fault)
{
	const char *advice = twilio_advice(answer->code);
	if (answer->outcome == TWILIO_DONE)
		out[0] = '\0';
	else if (a->outcome == HTTP_NOT_SENT)
		text_printf(out, size, "Twilio could not be reached: %s.", a->fault);
	else if (a->outcome == HTTP_AMBIGUOUS)
		text_printf(out, size, "Twilio did not answer clearly: %s.", a->fault);
	else if (answer->code == TOO_MANY_REQUESTS)
		text_printf(out, size, "Twilio could not be reached: it is asked too often at once.");
	else if (answer->outcome == TWILIO_AMBIGUOUS && a->status >= 200 && a->status < 300)
		text_printf(out, size, "Twilio's answer is %s.", fault);
	else if (answer->outcome == TWILIO_AMBIGUOUS)
		text_printf(out, size, "Twilio did not answer clearly: a server error.");
	else if (answer->code == 0)
		text_printf(out, size, "Twilio answered with HTTP status %ld.", a->status);
	else
		text_printf(out, size, "Twilio error %d: %.*s.%s%s", answer->code, TEXT_CUT(words, 600),
			    advice[0] ? " " : "", advice);
}

static void on_answer(void *arg, const struct http_answer *a)
{
	struct request *r = arg;
	char fault[160] = "", message[1024];
	const char *words = "no reason given";
	json_t *body = json_parse_object(a->body, a->body_len, fault, sizeof fault);
	bool answered = a->outcome == HTTP_ANSWERED;
	struct twilio_answer answer = {.message = message,
				       .retry_after_s = a->retry_after_s,
				       .http_status = answered ? a->status : 0};
	if (answered && a->status >= 300)
		answer.code = read_error(body, &words);
	if (answered && a->status == 429 && answer.code == 0)
		answer.code = TOO_MANY_REQUESTS;
	answer.outcome = twilio_outcome_of(a->outcome, a->status, answer.code, body != NULL);
	if (answer.outcome == TWILIO_REFUSED && answer.code == CALL_NOT_IN_PROGRESS && r->over_is_done) {
		answer.outcome = TWILIO_DONE;
		snprintf(message, sizeof message, "the call was over already");
	} else {
		describe(message, sizeof message, &answer, a, words, fault);
		if (answer.outcome == TWILIO_DONE) {
			answer.body = body;
			answer.date_s = a->date_s;
		}
	}
	r->fn(r->arg, &answer);
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
			       .timeout_ms = t->timeout_ms,
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
	bool answered = a->outcome == HTTP_ANSWERED;
	struct twilio_answer answer = {.outcome = twilio_outcome_of(a->outcome, a->status, 0, true),
				       .message = message,
				       .retry_after_s = a->retry_after_s,
				       .http_status = answered ? a->status : 0};
	/* Fetching changes nothing at Twilio: whatever was unclear may be asked again. */
	if (answer.outcome == TWILIO_UNREACHED || answer.outcome == TWILIO_AMBIGUOUS) {
		answer.outcome = TWILIO_UNREACHED;
		text_printf(message, sizeof message, "Twilio did not send the recording: %s.",
			    a->outcome != HTTP_ANSWERED ? a->fault : "a server error");
	} else if (answer.outcome == TWILIO_REFUSED) {
		answer.code = a->status == 404 ? TWILIO_NOT_FOUND : 0;
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
