/*
 * Twilio's numbers, recordings and transcriptions, as far as phony asks. Those of
 * the scenario's `numbers` are ours; `transcripts` {RECORDING or "*": TEXT} are there late.
 */
#include "tests/sim/carrier/carrier.h"

#include "tests/sim/common/report.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *changes; /* {SID: {voice_url, …}} */

static json_t *number_resource(size_t i)
{
	char sid[35];
	const char *number = json_string_value(json_array_get(json_object_get(carrier.scenario, "numbers"), i));
	snprintf(sid, sizeof sid, "PN%032zx", i + 1);
	json_t *r = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:b, s:b, s:b, s:b}}", "sid", sid,
			      "account_sid", carrier.account_sid, "phone_number", number, "friendly_name", number,
			      "voice_url", "", "sms_url", "", "status_callback", "", "capabilities", "voice", 1,
			      "sms", 1, "mms", 1, "fax", 0);
	json_object_update(r, json_object_get(changes, sid));
	return r;
}

static void list_numbers(struct evhttp_request *r, struct evkeyvalq *query)
{
	const char *wanted = evhttp_find_header(query, "PhoneNumber");
	json_t *list = json_array();
	for (size_t i = 0; i < json_array_size(json_object_get(carrier.scenario, "numbers")); i++) {
		json_t *one = number_resource(i);
		if (wanted == NULL || strcmp(text_of(one, "phone_number", ""), wanted) == 0)
			json_array_append(list, one);
		json_decref(one);
	}
	rest_answer(r, 200, json_pack("{s:o, s:i, s:i, s:n}", "incoming_phone_numbers", list, "page", 0,
				      "page_size", 50, "next_page_uri"));
}

static void update_number(struct evhttp_request *r, const char *sid, struct evkeyvalq *form)
{
	static const char *const names[][2] = {{"VoiceUrl", "voice_url"},
					       {"VoiceMethod", "voice_method"},
					       {"StatusCallback", "status_callback"},
					       {"StatusCallbackMethod", "status_callback_method"},
					       {"SmsUrl", "sms_url"},
					       {"SmsMethod", "sms_method"}};
	size_t n = strtoul(sid + 2, NULL, 16);
	struct evkeyval *p;
	if (changes == NULL)
		changes = json_object();
	json_t *change = json_object();
	TAILQ_FOREACH (p, form, next) {
		bool known = false;
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (strcmp(p->key, names[i][0]) == 0) {
				json_object_set_new(change, names[i][1], json_string(p->value));
				known = true;
			}
		if (!known)
			violation("rest", "IncomingPhoneNumbers has no parameter %s", p->key);
	}
	report("number-update", json_pack("{s:s, s:O}", "sid", sid, "change", change));
	json_object_set_new(changes, sid, change);
	rest_answer(r, 200, number_resource(n - 1));
}

static void list_transcriptions(struct evhttp_request *r, const char *recording)
{
	json_t *known = json_object_get(carrier.scenario, "transcripts"), *list = json_array();
	const char *text = text_of(known, recording, text_of(known, "*", NULL));
	if (text != NULL)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "sid",
						      "TR00000000000000000000000000000002", "status",
						      "completed", "recording_sid", recording,
						      "transcription_text", text));
	rest_answer(r, 200, json_pack("{s:o, s:n}", "transcriptions", list, "next_page_uri"));
}

/*
 * The audio of a recording that is there: from a storage host, whose address is
 * secret enough to need no credentials, and which is not to get ours.
 */
static void redirect_to_audio(struct evhttp_request *r, const char *recording, const char *format)
{
	char url[200];
	if (json_object_get(json_object_get(carrier.scenario, "recordings"), recording) == NULL) {
		rest_refuse(r, 404, 20404, "The requested resource was not found");
		return;
	}
	const char *host = evhttp_find_header(evhttp_request_get_input_headers(r), "Host"), *port = host ? strrchr(host, ':') : NULL;
	snprintf(url, sizeof url, "http://localhost%s/storage/%s.%s?signature=abc", port ? port : "", recording, format);
	evhttp_add_header(evhttp_request_get_output_headers(r), "Location", url);
	evhttp_send_reply(r, 307, "Temporary Redirect", NULL);
}

/* A second of silence: WAV, or an MPEG frame for who asks for MP3. */
bool storage_handle(struct evhttp_request *r, const char *path)
{
	static const unsigned char header[] = {'R', 'I', 'F', 'F', 0xa4, 0x3e, 0, 0, 'W', 'A', 'V', 'E', 'f', 'm', 't', ' ',
		16, 0, 0, 0, 1, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0, 'd', 'a', 't', 'a', 0x80, 0x3e, 0, 0};
	static const unsigned char frame[72] = {0xff, 0xe3, 0x18, 0xc4};
	static const char silence[16000];
	char recording[40], format[4];
	if (sscanf(path, "/storage/%34[A-Za-z0-9].%3[a-z3]", recording, format) != 2)
		return false;
	if (evhttp_find_header(evhttp_request_get_input_headers(r), "Authorization") != NULL)
		violation("storage", "the account's credentials were sent to the storage host");
	struct evbuffer *body = evbuffer_new();
	bool wav = strcmp(format, "wav") == 0;
	evbuffer_add(body, wav ? header : frame, wav ? sizeof header : sizeof frame);
	if (wav)
		evbuffer_add(body, silence, sizeof silence);
	evhttp_add_header(evhttp_request_get_output_headers(r), "Content-Type", wav ? "audio/x-wav" : "audio/mpeg");
	report("recording-fetched", json_pack("{s:s, s:s}", "recordingSid", recording, "format", format));
	evhttp_send_reply(r, 200, "OK", body);
	evbuffer_free(body);
	return true;
}

bool numbers_handle(struct evhttp_request *r, const char *rest, bool post, struct evkeyvalq *params)
{
	char sid[40] = "", format[4] = "";
	if (!post && sscanf(rest, "Recordings/%34[A-Za-z0-9].%3[a-z3]", sid, format) == 2 &&
	    (strcmp(format, "wav") == 0 || strcmp(format, "mp3") == 0))
		redirect_to_audio(r, sid, format);
	else if (!post && strcmp(rest, "IncomingPhoneNumbers.json") == 0)
		list_numbers(r, params);
	else if (post && sscanf(rest, "IncomingPhoneNumbers/%34[A-Za-z0-9].json", sid) == 1)
		update_number(r, sid, params);
	else if (!post && sscanf(rest, "Recordings/%34[A-Za-z0-9]/Transcriptions.json", sid) == 1 &&
		 strstr(rest, "/Transcriptions.json") != NULL)
		list_transcriptions(r, sid);
	else
		return false;
	return true;
}
