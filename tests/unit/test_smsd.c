/* What of smsd needs no process: segments, states, names, texts, templates. */
#include "lib/base/base64.h"
#include "smsd/messages.h"
#include "smsd/optouts.h"
#include "smsd/segments.h"
#include "smsd/wish.h"
#include "tests/unit/unit.h"

/* Twilio's own calculator agrees on each of these. */
static void test_segments(void **state)
{
	(void)state;
	json_t *file = json_load_file("tests/data/sms-segments.json", 0, NULL), *one;
	size_t i;
	json_t *cases = json_object_get(file, "cases");
	assert_true(json_array_size(cases) > 25);
	json_array_foreach (cases, i, one) {
		const char *text = json_string_value(json_object_get(one, "text"));
		struct segments s = segments_of(text);
		if (strcmp(s.encoding, json_string_value(json_object_get(one, "encoding"))) != 0 ||
		    s.units != (size_t)json_integer_value(json_object_get(one, "units")) ||
		    s.count != (size_t)json_integer_value(json_object_get(one, "segments")))
			fail_msg("%s: %s %zu %zu", json_string_value(json_object_get(one, "about")), s.encoding,
				 s.units, s.count);
	}
	json_decref(file);
	assert_int_equal(segments_of("").count, 0);
	assert_int_equal(segments_characters("a😀é"), 4);
}

static bool may_follow(const char *status, const char *before)
{
	json_t *states = message_states_before(status), *one;
	size_t i;
	bool found = false;
	json_array_foreach (states, i, one)
		found = found || strcmp(json_string_value(one), before) == 0;
	json_decref(states);
	return found;
}

static void test_states(void **state)
{
	(void)state;
	assert_true(may_follow("delivered", "sent"));
	assert_true(may_follow("delivered", "queued"));
	assert_true(may_follow("read", "delivered"));
	assert_true(may_follow("undelivered", "sent"));
	assert_false(may_follow("sent", "delivered"));
	assert_false(may_follow("undelivered", "delivered"));
	assert_false(may_follow("delivered", "undelivered"));
	assert_false(may_follow("queued", "queued"));
	assert_false(may_follow("nonsense", "queued"));
	assert_false(message_status_known("nonsense"));
}

static void test_names(void **state)
{
	(void)state;
	char *one = message_conversation_id("+12025550143", "+12025550101");
	char *two = message_conversation_id("+12025550101", "+12025550143");
	assert_string_equal(one, "conv_12025550101_12025550143");
	assert_string_equal(one, two);
	free(one);
	free(two);
	char id[REQUEST_ID_SIZE];
	message_request_id(id);
	assert_true(message_is_id(id));
	assert_true(message_is_id("SM0123456789abcdef0123456789ABCDEF"));
	assert_false(message_is_id("CA0123456789abcdef0123456789abcdef"));
	assert_false(message_is_id("PM0123456789abcdef0123456789abcde"));
	assert_false(message_is_id(""));
}

static void test_optouts(void **state)
{
	(void)state;
	assert_string_equal(optout_meaning("", " stop\n"), "STOP");
	assert_string_equal(optout_meaning("", "Unsubscribe"), "STOP");
	assert_string_equal(optout_meaning("", "START"), "START");
	assert_string_equal(optout_meaning("STOP", "arrêt"), "STOP");
	assert_string_equal(optout_meaning("start", "x"), "START");
	assert_null(optout_meaning("HELP", "stop"));
	assert_null(optout_meaning("", "stop it"));
	assert_null(optout_meaning("", ""));
}

static void assert_body(const char *template_body, const char *fields, const char *expected)
{
	char why[200] = "";
	struct wish w = {.body = ""};
	json_t *values = json_loads(fields, 0, NULL);
	char *body = wish_body(&w, template_body, values, why, sizeof why);
	assert_string_equal(body ? body : why, expected);
	free(body);
	json_decref(values);
}

static void test_templates(void **state)
{
	(void)state;
	assert_body(" Hi {{name}}, {{ n }} {x} {{}} {{a b}} ", "{\"name\":\"{{n}}\",\"n\":2}", "Hi {{n}}, 2 {x} {{}} {{a b}}");
	assert_body("{{name}}", "{}", "fields: name is missing, or no text; the template has {{name}}");
	assert_body("{{name}}", "{\"name\":\" \"}", "Either message body or media URLs are required: give body or mediaUrls");
	json_t *names = wish_fields("{{a}} {{b}} {{a}} {{ c");
	assert_int_equal(json_array_size(names), 2);
	json_decref(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments), cmocka_unit_test(test_states),  cmocka_unit_test(test_names),
		cmocka_unit_test(test_optouts), cmocka_unit_test(test_templates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
