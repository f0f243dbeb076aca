/* What goes out to the caller's ear, what counts as heard, and how an answer's time is taken. */
#include "callworker/audio/mulaw.h"
#include "callworker/audio/playout.h"
#include "callworker/control/metrics.h"
#include "callworker/conversation/hold.h"
#include "callworker/net/websocket_inside.h"
#include "lib/base/base64.h"
#include "tests/unit/unit.h"

static struct ws_loop *loop;
static struct playout *playout;
static uint64_t sent;
static unsigned clears, marks;
static char last_mark[64], last_audio[64 * 1024];
static int64_t now_us;

static void pass(int ms)
{
	now_us += (int64_t)ms * 1000;
	clock_hold((struct mono_us){now_us}, (struct wall_ms){1767225600000});
}

static void out_audio(void *arg, const char *base64, size_t len, const uint8_t *mulaw, size_t count,
		      struct mono_us born)
{
	(void)arg, (void)mulaw, (void)born;
	sent += count;
	snprintf(last_audio, sizeof last_audio, "%.*s", (int)len, base64);
}

static void out_mark(void *arg, const char *name)
{
	(void)arg;
	marks++;
	snprintf(last_mark, sizeof last_mark, "%s", name);
}

static void out_clear(void *arg)
{
	(void)arg;
	clears++;
}

static int begin(void **state)
{
	(void)state;
	struct playout_out out = {out_audio, out_mark, out_clear, NULL};
	sent = clears = marks = 0;
	now_us = 1000000;
	pass(0);
	loop = ws_imagine(NULL);
	playout = playout_new(loop, &out);
	return 0;
}

static int end(void **state)
{
	(void)state;
	playout_free(&playout);
	ws_loop_free(&loop);
	clock_release();
	return 0;
}

static void say(int ms)
{
	static uint8_t voice[120 * 1000 * MULAW_BYTES_PER_MS];
	playout_bytes(playout, voice, (size_t)ms * MULAW_BYTES_PER_MS, (struct mono_us){0});
}

/* It would stand in a message of ours to the carrier. */
static void test_what_is_no_base64_goes_nowhere(void **state)
{
	(void)state;
	static const char *const bad[] = {"AAAA\"}} {\"event\":\"clear\"  ", "AAA\n", "AA==AAAA", "AAAAA",
					  "A\"=="};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		sent = 0;
		last_audio[0] = '\0';
		playout_base64(playout, bad[i], strlen(bad[i]), (struct mono_us){0});
		assert_int_equal(sent, 0);
		assert_string_equal(last_audio, "");
	}
	playout_base64(playout, "AAAAAAA=", 8, (struct mono_us){0});
	assert_int_equal(sent, 5);
	assert_string_equal(last_audio, "AAAAAAA=");
	/* Also where it is found only behind a part that was sent. */
	char text[2 * 1068];
	memset(text, 'A', sizeof text);
	text[1100] = '"';
	playout_track(playout);
	sent = 0;
	uint64_t given = playout_given(playout);
	playout_base64(playout, text, sizeof text, (struct mono_us){0});
	assert_int_equal(sent, 801);
	assert_int_equal(playout_given(playout) - given, 1602);
}

/* Audio of any format is tracked, in tenths of a second. */
static void test_heard(void **state)
{
	(void)state;
	playout_track(playout);
	say(1000);
	assert_int_equal(marks, 10);
	for (int i = 0; i < 5; i++) {
		char name[32];
		snprintf(name, sizeof name, "at:%d", i);
		playout_marked(playout, name);
	}
	assert_int_equal(playout_heard(playout), 5 * 801);
	assert_int_equal(playout_given(playout), 8000);
}

static void done(void *arg, bool played)
{
	*(int *)arg = played ? 1 : 2;
}

/* A minute is held while digits play; what is dropped beyond it was given all the same. */
static void test_held_audio_is_counted(void **state)
{
	(void)state;
	int played = 0;
	assert_true(playout_digits(playout, "12", done, &played));
	say(70 * 1000);
	say(70 * 1000);
	assert_int_equal(playout_given(playout), 0);
	char mark[64];
	snprintf(mark, sizeof mark, "%s", last_mark);
	playout_marked(playout, mark); /* what was before them was heard: the tones go out */
	uint64_t before = sent;
	snprintf(mark, sizeof mark, "%s", last_mark);
	playout_marked(playout, mark);
	assert_int_equal(played, 1);
	assert_true(sent - before <= 60 * 8000);
	assert_int_equal(playout_given(playout), 140 * 8000);
}

/* What was sent is dropped, and whoever records it is told; but not the keys that are playing. */
static void test_clear(void **state)
{
	(void)state;
	int played = 0;
	say(1000);
	playout_clear(playout);
	assert_int_equal(clears, 1);
	assert_int_equal(playout_ahead_ms(playout), 0);
	struct hold *hold = hold_new(loop, playout);
	hold_play(hold, HOLD_MUSIC);
	hold_stop(hold);
	assert_int_equal(clears, 2);
	hold_free(&hold);
	playout_digits(playout, "12", done, &played);
	playout_marked(playout, last_mark);
	playout_clear(playout);
	assert_int_equal(clears, 2);
	assert_true(playout_ahead_ms(playout) > 0);
}

static void test_quiet(void **state)
{
	(void)state;
	assert_int_equal(playout_quiet_ms(playout), INT32_MAX);
	say(100);
	assert_int_equal(playout_quiet_ms(playout), 0);
	pass(150);
	assert_int_equal(playout_quiet_ms(playout), 50);
	playout_clear(playout);
	assert_int_equal(playout_quiet_ms(playout), INT32_MAX);
}

/* ---- response times ---- */

static struct figures figures;
static unsigned responses;
static int64_t response_ms;

static void look(void)
{
	int64_t ms = figures_response_ms(&figures);
	if (ms >= 0) {
		responses++;
		response_ms = ms;
	}
}

/* The caller, in frames as they come. */
static void hear(int ms, bool loud)
{
	uint8_t frame[160];
	memset(frame, loud ? 0x80 : 0xff, sizeof frame);
	for (; ms > 0; ms -= 20) {
		pass(20);
		figures_heard(&figures, frame, sizeof frame, playout_quiet_ms(playout));
		look();
	}
}

static void speak(int ms)
{
	int quiet_ms = playout_quiet_ms(playout);
	say(ms);
	figures_spoke(&figures, quiet_ms);
	look();
}

static int begin_figures(void **state)
{
	memset(&figures, 0, sizeof figures);
	responses = 0;
	return begin(state);
}

static void test_one_response_a_turn(void **state)
{
	(void)state;
	speak(1000); /* a greeting answers nobody */
	hear(1500, false);
	assert_int_equal(responses, 0);
	hear(600, true);
	hear(800, false);
	for (int i = 0; i < 50; i++)
		speak(100);
	assert_int_equal(responses, 1);
	assert_in_range(response_ms, 780, 820);
	/* It says more by itself later. */
	hear(8000, false);
	speak(500);
	assert_int_equal(responses, 1);
}

static void test_a_quick_answer(void **state)
{
	(void)state;
	hear(600, true);
	hear(100, false);
	speak(500);
	assert_int_equal(responses, 0); /* it may have been a breath */
	hear(400, false);
	assert_int_equal(responses, 1);
	assert_in_range(response_ms, 80, 120);
	/* And here it was one. */
	hear(1000, false);
	hear(300, true);
	hear(100, false);
	speak(100);
	hear(600, true);
	hear(500, false);
	assert_int_equal(responses, 1);
	speak(100);
	assert_int_equal(responses, 2);
	assert_in_range(response_ms, 480, 520);
}

static void test_words_within_the_agents_are_no_turn(void **state)
{
	(void)state;
	speak(4000);
	hear(400, true); /* "yes, yes" */
	hear(1000, false);
	speak(1000);
	hear(6000, false);
	speak(1000);
	assert_int_equal(responses, 0);
}

/* An agent that echoes, frame by frame, a voice with gaps. */
static void test_an_echo_answers_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++) {
		hear(20, i % 10 < 6);
		speak(20);
	}
	assert_int_equal(responses, 0);
}

static void test_an_interruption_is_a_turn(void **state)
{
	(void)state;
	speak(5000);
	hear(500, true);
	hear(400, false);
	playout_clear(playout);
	figures_interrupted(&figures, (struct mono_us){now_us});
	hear(400, false);
	speak(500);
	assert_int_equal(responses, 1);
	assert_in_range(response_ms, 780, 820);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_no_base64_goes_nowhere, begin, end),
		cmocka_unit_test_setup_teardown(test_heard, begin, end),
		cmocka_unit_test_setup_teardown(test_held_audio_is_counted, begin, end),
		cmocka_unit_test_setup_teardown(test_clear, begin, end),
		cmocka_unit_test_setup_teardown(test_quiet, begin, end),
		cmocka_unit_test_setup_teardown(test_one_response_a_turn, begin_figures, end),
		cmocka_unit_test_setup_teardown(test_a_quick_answer, begin_figures, end),
		cmocka_unit_test_setup_teardown(test_words_within_the_agents_are_no_turn, begin_figures, end),
		cmocka_unit_test_setup_teardown(test_an_echo_answers_nothing, begin_figures, end),
		cmocka_unit_test_setup_teardown(test_an_interruption_is_a_turn, begin_figures, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
