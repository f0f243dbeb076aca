/*
 * Twilio's numbers, recordings and transcriptions, as far as phony asks. Those of
 * the scenario's `numbers` are ours; `transcripts` {RECORDING or "*": TEXT} are there late.
 */
#include "tests/sim/carrier/carrier.h"

#include "tests/sim/common/report.h"

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

bool numbers_handle(struct evhttp_request *r, const char *rest, bool post, struct evkeyvalq *params)
{
	char sid[40] = "";
	if (!post && strcmp(rest, "IncomingPhoneNumbers.json") == 0)
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
