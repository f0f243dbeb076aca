/* Signatures against Twilio's own vectors; TwiML. */
#include "lib/twilio/outcome.h"
#include "lib/twilio/signature.h"
#include "lib/twilio/twiml.h"
#include "tests/unit/unit.h"

#include <jansson.h>

static const char *text(json_t *o, const char *name)
{
	const char *t = json_string_value(json_object_get(o, name));
	return t ? t : "";
}

/* Splits a URL into the public part and the target. */
static void split(const char *url, char *base, size_t size, const char **target)
{
	const char *path = strchr(strstr(url, "://") + 3, '/');
	snprintf(base, size, "%.*s", (int)(path - url), url);
	*target = path;
}

static void test_vectors(void **state)
{
	(void)state;
	json_t *file = json_load_file("tests/data/signatures.json", 0, NULL), *v;
	assert_non_null(file);
	const char *token = text(file, "auth_token"), *target;
	size_t i, checked = 0;
	json_array_foreach (json_object_get(file, "vectors"), i, v) {
		char base[300];
		const char *url = text(v, "url"), *method = text(v, "method"), *body = text(v, "body");
		struct form form = {0};
		bool json_body = strstr(url, "bodySHA256=") != NULL, post = strcmp(method, "POST") == 0;
		if (post && !json_body)
			assert_true(form_parse(body, strlen(body), &form));
		split(url, base, sizeof base, &target);
		bool ok;
		if (strncmp(url, "wss", 3) == 0) {
			char public_url[300];
			snprintf(public_url, sizeof public_url, "https%s", base + 3);
			ok = twilio_stream_signature_valid(token, public_url, target, text(v, "signature"));
			assert_false(twilio_stream_signature_valid(token, public_url, target,
								   "AAAAAAAAAAAAAAAAAAAAAAAAAAA="));
		} else {
			ok = twilio_signature_valid(token, base, target, post && !json_body ? &form : NULL,
						    text(v, "signature"));
			assert_false(twilio_signature_valid("another token", base, target, &form,
							    text(v, "signature")));
		}
		if (!ok)
			fail_msg("vector \"%s\" is refused", text(v, "about"));
		checked++;
		form_free(&form);
	}
	assert_true(checked >= 8);
	json_decref(file);
}

static void test_missing_signature(void **state)
{
	(void)state;
	assert_false(twilio_signature_valid("t", "https://x.example", "/a", NULL, NULL));
	assert_false(twilio_signature_valid("t", "https://x.example", "/a", NULL, ""));
	assert_false(twilio_signature_valid("t", "no url", "/a", NULL, "x"));
	assert_false(twilio_stream_signature_valid("t", "https://x.example", "/a", NULL));
}

static void test_twiml(void **state)
{
	(void)state;
	struct buffer b = {0};
	const struct twiml_parameter parameters[] = {{"a", "\"<&>\"\x01\n"}, {NULL, NULL}};
	twiml_open(&b);
	twiml_connect_stream(&b, "wss://x/y", parameters);
	twiml_say(&b, "Tom & Jerry");
	twiml_redirect(&b, "https://x?a=1&b=2");
	twiml_hangup(&b);
	twiml_close(&b);
	buffer_append(&b, "", 1);
	assert_string_equal(
		(char *)b.data,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Connect><Stream url=\"wss://x/y\">"
		"<Parameter name=\"a\" value=\"&quot;&lt;&amp;&gt;&quot;&#10;\"/></Stream></Connect>"
		"<Say>Tom &amp; Jerry</Say><Redirect method=\"POST\">https://x?a=1&amp;b=2</Redirect>"
		"<Hangup/></Response>");
	buffer_free(&b);
}

/* What may be asked again, and what must be looked for first. */
static void test_outcomes(void **state)
{
	(void)state;
	static const struct {
		enum http_outcome http;
		long status;
		int code;
		bool readable;
		enum twilio_outcome outcome;
	} cases[] = {
		{HTTP_NOT_SENT, 0, 0, false, TWILIO_UNREACHED},
		{HTTP_AMBIGUOUS, 0, 0, false, TWILIO_AMBIGUOUS},
		{HTTP_ANSWERED, 201, 0, true, TWILIO_DONE},
		{HTTP_ANSWERED, 204, 0, false, TWILIO_DONE},
		{HTTP_ANSWERED, 200, 0, false, TWILIO_AMBIGUOUS},
		{HTTP_ANSWERED, 100, 0, false, TWILIO_AMBIGUOUS},
		{HTTP_ANSWERED, 500, 20500, true, TWILIO_AMBIGUOUS},
		{HTTP_ANSWERED, 503, 0, false, TWILIO_AMBIGUOUS},
		{HTTP_ANSWERED, 302, 0, false, TWILIO_REFUSED},
		{HTTP_ANSWERED, 400, 21211, true, TWILIO_REFUSED},
		{HTTP_ANSWERED, 400, 21610, true, TWILIO_REFUSED},
		{HTTP_ANSWERED, 401, 20003, true, TWILIO_REFUSED},
		{HTTP_ANSWERED, 404, 20404, true, TWILIO_REFUSED},
		{HTTP_ANSWERED, 400, 99999, true, TWILIO_REFUSED},
		{HTTP_ANSWERED, 429, 20429, true, TWILIO_UNREACHED},
		{HTTP_ANSWERED, 429, 0, false, TWILIO_UNREACHED},
		{HTTP_ANSWERED, 429, 99999, true, TWILIO_UNREACHED},
		{HTTP_ANSWERED, 408, 0, false, TWILIO_UNREACHED},
		{HTTP_ANSWERED, 400, 21611, true, TWILIO_UNREACHED}, /* the queue is full */
		{HTTP_ANSWERED, 400, 14107, true, TWILIO_UNREACHED}, /* too many between the two */
		{HTTP_ANSWERED, 400, 10004, true, TWILIO_UNREACHED}, /* too many calls at once */
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (twilio_outcome_of(cases[i].http, cases[i].status, cases[i].code, cases[i].readable) !=
		    cases[i].outcome)
			fail_msg("%ld %d", cases[i].status, cases[i].code);
	assert_string_equal(twilio_advice(99999), "");
	assert_non_null(strstr(twilio_advice(21610), "STOP"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_missing_signature),
		cmocka_unit_test(test_twiml),
		cmocka_unit_test(test_outcomes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
