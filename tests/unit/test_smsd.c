/* What of smsd needs no process: segments, states, names, texts, templates. */
#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "smsd/messages/messages.h"
#include "smsd/messages/optouts.h"
#include "smsd/messages/segments.h"
#include "smsd/messages/send_request.h"
#include "smsd/outbox/bulk_states.h"
#include "smsd/outbox/outbox_states.h"
#include "smsd/outbox/twilio_match.h"
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

/* Every pair of state and event of a message, in words that outbox_states.h explains. */
static void test_outbox_states(void **state)
{
	(void)state;
	static const char *const actions[] = {[OUTBOX_NOTHING] = "-",        [OUTBOX_ASK] = "ask",
					      [OUTBOX_LOOK] = "look",        [OUTBOX_NAME] = "name",
					      [OUTBOX_FAIL] = "fail",        [OUTBOX_WAIT] = "wait",
					      [OUTBOX_TAKE_OUT] = "take-out", [OUTBOX_STOP] = "stop",
					      [OUTBOX_TOO_LATE] = "too-late"};
	static const char *const expected[OUTBOX_STATES][OUTBOX_EVENTS] = {
		[OUTBOX_WAITING] = {[OUTBOX_DUE] = "ask",
				    [OUTBOX_ACCEPTED] = "name",
				    [OUTBOX_REFUSED] = "-",
				    [OUTBOX_FORBIDDEN] = "-",
				    [OUTBOX_POSTPONED] = "-",
				    [OUTBOX_UNCLEAR] = "-",
				    [OUTBOX_ABSENT] = "-",
				    [OUTBOX_EXPIRED] = "-",
				    [OUTBOX_WITHDRAWN] = "take-out",
				    [OUTBOX_CANCEL] = "take-out"},
		[OUTBOX_ASKING] = {[OUTBOX_DUE] = "look",
				   [OUTBOX_ACCEPTED] = "name",
				   [OUTBOX_REFUSED] = "fail",
				   [OUTBOX_FORBIDDEN] = "fail",
				   [OUTBOX_POSTPONED] = "wait",
				   [OUTBOX_UNCLEAR] = "look",
				   [OUTBOX_ABSENT] = "wait",
				   [OUTBOX_EXPIRED] = "fail",
				   [OUTBOX_WITHDRAWN] = "take-out",
				   [OUTBOX_CANCEL] = "stop"},
		[OUTBOX_STOPPING] = {[OUTBOX_DUE] = "look",
				     [OUTBOX_ACCEPTED] = "name",
				     [OUTBOX_REFUSED] = "fail",
				     [OUTBOX_FORBIDDEN] = "take-out",
				     [OUTBOX_POSTPONED] = "take-out",
				     [OUTBOX_UNCLEAR] = "look",
				     [OUTBOX_ABSENT] = "take-out",
				     [OUTBOX_EXPIRED] = "take-out",
				     [OUTBOX_WITHDRAWN] = "take-out",
				     [OUTBOX_CANCEL] = "-"},
		[OUTBOX_SETTLED] = {[OUTBOX_DUE] = "-",
				    [OUTBOX_ACCEPTED] = "name",
				    [OUTBOX_REFUSED] = "-",
				    [OUTBOX_FORBIDDEN] = "-",
				    [OUTBOX_POSTPONED] = "-",
				    [OUTBOX_UNCLEAR] = "-",
				    [OUTBOX_ABSENT] = "-",
				    [OUTBOX_EXPIRED] = "-",
				    [OUTBOX_WITHDRAWN] = "-",
				    [OUTBOX_CANCEL] = "too-late"},
	};
	for (int s = 0; s < OUTBOX_STATES; s++)
		for (int e = 0; e < OUTBOX_EVENTS; e++) {
			enum outbox_action action = outbox_action((enum outbox_state)s, (enum outbox_event)e);
			assert_non_null(expected[s][e]);
			if (strcmp(actions[action], expected[s][e]) != 0)
				fail_msg("state %d, event %d: %s, not %s", s, e, actions[action], expected[s][e]);
			/* What may have been accepted is not asked for again, nor is what has ended. */
			assert_true(action != OUTBOX_ASK || s == OUTBOX_WAITING);
			assert_true(s != OUTBOX_STOPPING || action != OUTBOX_WAIT);
		}
	for (int s = 0; s < OUTBOX_SETTLED; s++) {
		json_t *document = json_build("{s:s}", "state", outbox_state_name((enum outbox_state)s));
		assert_int_equal(outbox_state_of(document), s);
		json_decref(document);
	}
	json_t *none = json_object();
	assert_int_equal(outbox_state_of(none), OUTBOX_SETTLED);
	json_decref(none);
	assert_null(outbox_state_name(OUTBOX_SETTLED));
}

static void test_bulk_states(void **state)
{
	(void)state;
	static const enum bulk_action expected[BULK_STATES][BULK_EVENTS] = {
		[BULK_STORING] = {[BULK_RESUME] = BULK_STORE,
				  [BULK_STORED] = BULK_SEND,
				  [BULK_STORE_FAILED] = BULK_STORE_LATER,
				  [BULK_DRAINED] = BULK_NOTHING,
				  [BULK_CANCEL] = BULK_TAKE_BACK},
		[BULK_SENDING] = {[BULK_DRAINED] = BULK_FINISH, [BULK_CANCEL] = BULK_TAKE_BACK},
		[BULK_DONE] = {BULK_NOTHING},
		[BULK_CANCELED] = {[BULK_STORED] = BULK_TAKE_BACK,
				   [BULK_STORE_FAILED] = BULK_TAKE_BACK,
				   [BULK_CANCEL] = BULK_TAKE_BACK},
	};
	for (int s = 0; s < BULK_STATES; s++)
		for (int e = 0; e < BULK_EVENTS; e++)
			if (bulk_action((enum bulk_state)s, (enum bulk_event)e) != expected[s][e])
				fail_msg("state %d, event %d", s, e);
	static const char *const names[] = {"storing", "sending", "done", "canceled"};
	for (int s = 0; s < BULK_STATES; s++) {
		assert_string_equal(bulk_state_name((enum bulk_state)s), names[s]);
		json_t *bulk = json_build("{s:s}", "status", names[s]);
		assert_int_equal(bulk_state_of(bulk), s);
		json_decref(bulk);
	}
}

/* Twilio's list against a message of ours: what it may look like there, and what it cannot be. */
static void test_twilio_match(void **state)
{
	(void)state;
	static const struct {
		const char *ours, *twilios, *direction, *media, *created;
		bool same;
	} cases[] = {
		{"Hello", "Hello", "outbound-api", "0", "Tue, 24 Nov 2026 16:40:03 +0000", true},
		{"Hello", "Sent from your Twilio trial account - Hello", "outbound-api", "0",
		 "Tue, 24 Nov 2026 16:40:03 +0000", true},
		{"“Hi” — it’s 7…", "\"Hi\" - it's 7...", "outbound-api", "0", "Tue, 24 Nov 2026 16:40:03 +0000",
		 true},
		{"a\r\nb", "a\nb", "outbound-api", "0", "Tue, 24 Nov 2026 16:40:03 +0000", true},
		{"😀", "😀", "outbound-api", "0", "Tue, 24 Nov 2026 16:40:03 +0000", true},
		{"😀", "😂", "outbound-api", "0", "Tue, 24 Nov 2026 16:40:03 +0000", false},
		{"予約は7時", "番号は7時", "outbound-api", "0", "Tue, 24 Nov 2026 16:40:03 +0000", false},
		{"Hello", "Hello!?", "outbound-api", "0", "Tue, 24 Nov 2026 16:40:03 +0000", true},
		{"Hello", "Hello there", "outbound-api", "0", "Tue, 24 Nov 2026 16:40:03 +0000", false},
		{"Hello", "Hello", "inbound", "0", "Tue, 24 Nov 2026 16:40:03 +0000", false},
		{"Hello", "Hello", "outbound-api", "1", "Tue, 24 Nov 2026 16:40:03 +0000", false},
		{"Hello", "Hello", "outbound-api", "0", "Tue, 24 Nov 2026 16:39:59 +0000", false},
		{"Hello", "Hello", "outbound-api", "0", "yesterday", false},
	};
	struct wall_ms not_before;
	assert_true(wall_parse("2026-11-24T16:40:00Z", &not_before));
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *document = json_build("{s:s, s:[]}", "body", cases[i].ours, "mediaUrls");
		json_t *item = json_build("{s:s, s:s, s:s, s:s, s:s}", "sid", "SM0123456789abcdef0123456789abcdef",
					  "body", cases[i].twilios, "direction", cases[i].direction, "num_media",
					  cases[i].media, "date_created", cases[i].created);
		if ((twilio_match(document, item, not_before.ms) != NULL) != cases[i].same)
			fail_msg("%s: %s", cases[i].ours, cases[i].twilios);
		json_decref(document);
		json_decref(item);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments), cmocka_unit_test(test_states),  cmocka_unit_test(test_names),
		cmocka_unit_test(test_optouts), cmocka_unit_test(test_templates),
		cmocka_unit_test(test_outbox_states), cmocka_unit_test(test_bulk_states), cmocka_unit_test(test_twilio_match),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
