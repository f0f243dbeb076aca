/* The callworker's small pure modules. */
#include "callworker/audio/levels.h"
#include "callworker/audio/transcode.h"
#include "callworker/conversation/goodbye.h"
#include "callworker/net/json_scan.h"
#include "callworker/net/latency.h"
#include "lib/base/base64.h"
#include "tests/unit/unit.h"

static void test_goodbye(void **state)
{
	(void)state;
	static const char *const yes[] = {"Goodbye!",      "Thank you very much. Good-bye.",
					  "ok bye bye",    "Have a great day!",
					  "Take care.",    "Talk to you later",
					  "Tschüss!",      "BYE",
					  "Goodbye then.", "Okay, take care now!",
					  "Great, see you then.", "Thank you for calling, goodbye.",
					  "Thank you for your time and have a nice day!",
					  "Sir, have a great evening now", "Adiós, gracias"};
	static const char *const no[] = {"I will take care of it for you",
					 "Should I say goodbye?",
					 "",
					 "!!!",
					 "Shall we have a nice day?",
					 "Goodbye is a word I never say first",
					 "He shouted standby",
					 "Back then",
					 "now",
					 "Please press one.",
					 "Thank you for calling.",
					 "Thank you for calling Delicious Restaurant!",
					 "I told her goodbye",
					 "You have to press hash and say goodbye",
					 "Yesterday I was in bed by good night",
					 "Goodbye. Oh, and what is your name?",
					 "さようなら、お名前は？ Goodbye？",
					 "Have a nice day is what they say"};
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		assert_true(goodbye_said(yes[i], GOODBYE_AGENT));
		assert_true(goodbye_said(yes[i], GOODBYE_CALLER));
	}
	for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
		assert_false(goodbye_said(no[i], GOODBYE_AGENT));
		assert_false(goodbye_said(no[i], GOODBYE_CALLER));
	}
}

static void test_goodbye_of_a_recording(void **state)
{
	(void)state;
	const char *recording =
		"All our agents are busy at the moment. You may call again tomorrow. Thank you for calling.";
	assert_false(goodbye_said(recording, GOODBYE_CALLER));
	assert_false(goodbye_said(recording, GOODBYE_AGENT));
	assert_true(goodbye_said("You may call again tomorrow at our office in the old town. Thank you for calling, "
				 "goodbye!", GOODBYE_AGENT));
	assert_false(goodbye_said("If this is an emergency, hang up now.", GOODBYE_CALLER));
}

static void test_levels(void **state)
{
	(void)state;
	struct levels l = {0};
	uint8_t loud[800], quiet[1600];
	memset(loud, 0x80, sizeof loud);   /* the loudest code */
	memset(quiet, 0xff, sizeof quiet); /* silence */
	levels_caller(&l, loud, sizeof loud);
	assert_int_equal(levels_of_caller(&l), 127);
	levels_caller(&l, quiet, sizeof quiet);
	assert_int_equal(levels_of_caller(&l), 0);
	/* Two seconds are sent at once, the first tenth of them loud: what is heard counts. */
	levels_agent(&l, loud, sizeof loud);
	for (int i = 0; i < 10; i++)
		levels_agent(&l, quiet, sizeof quiet);
	assert_int_equal(levels_of_agent(&l, 2100), 127);
	assert_int_equal(levels_of_agent(&l, 1000), 0);
	assert_int_equal(levels_of_agent(&l, 0), 0);
	/* Longer ago than anything is kept. */
	for (int i = 0; i < LEVELS_AHEAD; i++)
		levels_agent(&l, quiet, 160);
	assert_int_equal(levels_of_agent(&l, 1000 * 1000), 0);
}

static void test_scan(void **state)
{
	(void)state;
	const char *value;
	size_t len;
	int64_t number;
	const char *m =
		"{\"event\" : \"media\",\"media\":{\"payload\":\"QUJD\",\"chunk\":\"2\"},\"event_id\":17}";
	assert_true(json_scan_text(m, strlen(m), "payload", &value, &len));
	assert_int_equal(len, 4);
	assert_memory_equal(value, "QUJD", 4);
	assert_true(json_scan_is(m, strlen(m), "event", "media"));
	assert_false(json_scan_is(m, strlen(m), "event", "medi"));
	assert_true(json_scan_int(m, strlen(m), "event_id", &number));
	assert_int_equal(number, 17);
	assert_false(json_scan_int(m, strlen(m), "payload", &number));
	assert_false(json_scan_text(m, strlen(m), "media", &value, &len));
	const char *escaped = "{\"payload\":\"a\\/b\"}", *cut = "{\"payload\":\"abc",
		   *hidden = "{\"x\":\"\\\"payload\\\":\\\"evil\\\"\"}";
	assert_false(json_scan_text(escaped, strlen(escaped), "payload", &value, &len));
	assert_false(json_scan_text(cut, strlen(cut), "payload", &value, &len));
	assert_false(json_scan_text(hidden, strlen(hidden), "payload", &value, &len));
	assert_false(json_scan_text("", 0, "payload", &value, &len));
}

static void test_latency(void **state)
{
	(void)state;
	static struct latency l;
	assert_int_equal(latency_percentile(&l, 0.99), 0);
	for (int i = 1; i <= 1000; i++)
		latency_add(&l, i);
	assert_in_range(latency_percentile(&l, 0.5), 500, 535);
	assert_in_range(latency_percentile(&l, 0.99), 990, 1000);
	assert_int_equal(l.max_us, 1000);
	latency_add(&l, -5);
	latency_add(&l, INT64_MAX / 2);
	assert_int_equal(l.total, 1002);
}

/* PCM cut at odd places is the same sound. */
static void test_lane_odd_bytes(void **state)
{
	(void)state;
	struct audio_format pcm = {16000, false}, phone = {8000, true};
	struct lane *whole = lane_new(pcm, phone), *cut = lane_new(pcm, phone);
	uint8_t sound[3200];
	for (size_t i = 0; i < sizeof sound; i++)
		sound[i] = (uint8_t)((i / 2 * 977) >> (8 * (i % 2)));
	char base64[BASE64_LEN(3200) + 1];
	const uint8_t *bytes;
	size_t count, total = 0;
	uint8_t a[4096], b[4096];
	assert_true(lane_convert(whole, base64, base64_encode(sound, 3200, base64), &bytes, &count));
	memcpy(a, bytes, count);
	size_t expected = count;
	for (size_t at = 0, part; at < 3200; at += part) {
		part = 3200 - at < 641 ? 3200 - at : 641;
		assert_true(
			lane_convert(cut, base64, base64_encode(sound + at, part, base64), &bytes, &count));
		memcpy(b + total, bytes, count);
		total += count;
	}
	assert_true(total <= expected && expected - total <= 64);
	assert_memory_equal(a, b, total);
	assert_false(lane_convert(cut, "!!!!", 4, &bytes, &count));
	lane_free(&whole);
	lane_free(&cut);
}

static void test_lane_open(void **state)
{
	(void)state;
	struct audio_format phone = {8000, true};
	struct lane *l = lane_new(phone, phone);
	assert_true(lane_is_open(l));
	lane_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goodbye),        cmocka_unit_test(test_goodbye_of_a_recording),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_scan),           cmocka_unit_test(test_latency),
		cmocka_unit_test(test_lane_odd_bytes), cmocka_unit_test(test_lane_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
