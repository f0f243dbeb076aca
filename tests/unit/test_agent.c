/* The agent's end of a call when its connection is renewed. */
#include "callworker/conversation/agent.h"
#include "lib/base/object.h"
#include "tests/unit/provider_talk.h"

static const struct provider_events *events;
static void *events_arg;
static uint64_t heard;
static int played, heard_messages;

static void *fake_open(struct ws_loop *loop, const struct provider_setup *setup, const struct provider_events *e,
		       void *arg)
{
	(void)loop, (void)setup;
	events = e;
	events_arg = arg;
	return &events;
}

static void fake_audio(void *self, const char *base64, size_t len, struct mono_us born)
{
	(void)self, (void)base64, (void)len, (void)born;
	heard_messages++;
}

static void fake_inject(void *self, const char *text)
{
	(void)self;
	note(talk.sent, "inject %s\n", text);
}

static void fake_direct(void *self, const char *text)
{
	(void)self;
	note(talk.sent, "direct %s\n", text);
}

static void fake_result(void *self, const char *id, const char *result, bool is_error, bool go_on)
{
	(void)self, (void)is_error, (void)go_on;
	note(talk.sent, "result %s %s\n", id, result);
}

static void fake_heard(void *self, uint64_t bytes)
{
	(void)self;
	heard = bytes;
}

static void fake_finish(void *self, bool over)
{
	(void)self;
	note(talk.sent, "finish%s\n", over ? ", over" : "");
}

static void fake_close(void *self)
{
	(void)self;
}

static const struct latency *fake_delays(void *self)
{
	static const struct latency none;
	(void)self;
	return &none;
}

static bool writing;

static bool fake_leave(void *self)
{
	(void)self;
	return writing;
}

static const struct provider fake = {.name = "fake",
				     .open = fake_open,
				     .send_audio = fake_audio,
				     .inject = fake_inject,
				     .direct = fake_direct,
				     .tool_result = fake_result,
				     .heard = fake_heard,
				     .finish = fake_finish,
				     .leave = fake_leave,
				     .close = fake_close,
				     .delays = fake_delays};

/* ---- the owner ---- */

static struct agent *agent;
static struct playout *playout;
static char marks[4096];
static const json_t *none;

static void on_connected(void *arg, json_t *data)
{
	(void)arg;
	json_decref(data);
}

static void on_spoke(void *arg, int quiet_ms)
{
	(void)arg, (void)quiet_ms;
}

static void on_lost(void *arg, const char *why)
{
	(void)arg, (void)why;
	note(talk.told, "lost\n");
}

static void on_ended(void *arg, const char *why, bool done)
{
	(void)arg, (void)why, (void)done;
	note(talk.told, "ended\n");
}

static void on_closed(void *arg)
{
	(void)arg;
	note(talk.told, "closed\n");
}

static const struct agent_events agent_events = {on_connected, on_spoke,       talk_interrupted, talk_user, talk_agent,
						 talk_corrected, talk_tool, talk_usage, on_lost, on_ended,
						 on_closed};

static const json_t *no_history(void *arg)
{
	(void)arg;
	return none;
}

static void out_audio(void *arg, const char *base64, size_t len, const uint8_t *mulaw, size_t count,
		      struct mono_us born)
{
	(void)arg, (void)base64, (void)len, (void)mulaw, (void)count, (void)born;
	played++;
}

static void out_mark(void *arg, const char *name)
{
	(void)arg;
	snprintf(marks, sizeof marks, "%s", name);
}

static void out_clear(void *arg)
{
	(void)arg;
}

static void connect_agent(void)
{
	static const struct audio_format phone = {8000, true};
	agent_connect(agent, "ws://x", -1, NULL);
	events->ready(events_arg, "c", phone, phone);
}

static int begin(void **state)
{
	(void)state;
	memset(&talk, 0, sizeof talk);
	talk.now_us = 1000000;
	played = heard_messages = 0;
	writing = false;
	pass(0);
	struct playout_out out = {out_audio, out_mark, out_clear, NULL};
	struct agent_setup setup = {.provider = &fake, .prompt = "", .voice = "", .transcription_model = "",
				    .call_type = "", .from_number = "", .to_number = "", .first_message = "",
				    .history = no_history};
	playout = playout_new(NULL, &out);
	agent = agent_new(NULL, playout, &setup, &agent_events, NULL);
	connect_agent();
	return 0;
}

static int end(void **state)
{
	(void)state;
	agent_free(&agent);
	playout_free(&playout);
	clock_release();
	return 0;
}

static void lose(void)
{
	events->ended(events_arg, "broken", PROVIDER_LOST);
	pass(1000);
}

static void expect_sent(const char *lines)
{
	assert_string_equal(talk.sent, lines);
	forget_sent();
}

static void test_a_result_outlives_its_connection(void **state)
{
	(void)state;
	events->tool_call(events_arg, "t1", "ask_operator", NULL);
	events->tool_call(events_arg, "t2", "send_dtmf", NULL);
	events->tool_call(events_arg, "t3", "end_call", NULL);
	agent_tool_result(agent, "t9", "of nothing known", false, true);
	expect_sent("result t9 of nothing known\n");
	lose();
	agent_tool_result(agent, "t1", "Table seven", false, true);
	agent_tool_result(agent, "t3", "Call ended", false, false);
	expect_sent("");
	connect_agent();
	expect_sent("direct OPERATOR INSTRUCTION:\nBefore the line broke you called the tool ask_operator. It has ended: "
		    "Table seven\n");
	agent_tool_result(agent, "t2", "too long", true, true);
	expect_sent("direct OPERATOR INSTRUCTION:\nBefore the line broke you called the tool send_dtmf. It failed: too long\n");
	events->tool_call(events_arg, "t1", "add_note", NULL);
	agent_tool_result(agent, "t1", "Noted", false, true);
	expect_sent("result t1 Noted\n");
}

static void test_what_it_was_told_outlives_its_connection(void **state)
{
	(void)state;
	agent_inject(agent, "The person pressed 4");
	agent_direct(agent, "Ask for the name");
	expect_sent("inject The person pressed 4\ndirect Ask for the name\n");
	lose();
	agent_direct(agent, "Thank them for waiting");
	agent_inject(agent, "A window seat");
	expect_sent("");
	connect_agent();
	expect_sent("inject The person pressed 4\ndirect Thank them for waiting\ninject A window seat\n");
	lose();
	connect_agent();
	expect_sent("inject The person pressed 4\ninject A window seat\n");
	agent_finish(agent);
	expect_sent("finish\n");
	agent_close(agent);
	expect_sent("finish\nfinish, over\n");
	agent_direct(agent, "nobody is there");
	expect_sent("");
}

/* The playout counts the audio of all connections, a provider its own. */
static void test_what_was_heard_is_counted_by_connection(void **state)
{
	(void)state;
	static char base64[2137];
	memset(base64, 'A', 2136); /* 1,602 bytes: two tenths of a second, two marks */
	char first[24];
	events->audio(events_arg, base64, 2136, (struct mono_us){1});
	playout_marked(playout, marks);
	pass(1000);
	lose();
	connect_agent();
	events->audio(events_arg, base64, 1068, (struct mono_us){1});
	snprintf(first, sizeof first, "%s", marks);
	events->audio(events_arg, base64, 1068, (struct mono_us){1});
	playout_marked(playout, first);
	events->interrupted(events_arg, (struct mono_us){1});
	assert_int_equal(heard, 801);
}

/* What is pasted into the other side's messages is base64 and nothing else. */
static void test_audio_that_is_not_base64(void **state)
{
	static const char *const bad[] = {"AA\"}", "AAA", "A=AA", "AAAA\"},\"event\":\"clear\"AA"};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		events->audio(events_arg, bad[i], strlen(bad[i]), (struct mono_us){1});
		agent_hear(agent, bad[i], strlen(bad[i]), (struct mono_us){1});
	}
	assert_int_equal(playout_given(playout), 0);
	assert_int_equal(played + heard_messages, 0);
	events->audio(events_arg, "AAAA", 4, (struct mono_us){1});
	agent_hear(agent, "AAAA", 4, (struct mono_us){1});
	assert_int_equal(played, 1);
	assert_int_equal(heard_messages, 1);
}

static void test_steady_connections_are_given_back(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		pass(60 * 60 * 1000);
		lose();
		expect_told("lost\n");
		connect_agent();
	}
	for (int i = 0; i < 2; i++) {
		pass(1000);
		lose();
		expect_told("lost\n");
		connect_agent();
	}
	lose();
	expect_told("ended\n");
}

/* What the caller said last is told, and nothing else that comes of the conversation. */
static void test_the_last_words_are_waited_for(void **state)
{
	(void)state;
	writing = true;
	agent_close(agent);
	expect_sent("finish\n");
	assert_true(agent_is_open(agent));
	assert_false(agent_is_ready(agent));
	agent_close(agent);
	events->user_said(events_arg, "Number seven", (struct turn_place){0});
	events->agent_said(events_arg, "Is there anything else?", (struct turn_place){0});
	events->tool_call(events_arg, "t1", "end_call", NULL);
	events->audio(events_arg, "AAAA", 4, (struct mono_us){1});
	events->written(events_arg);
	expect_told("1 user: Number seven\n");
	assert_int_equal(played, 0);
	pass(1);
	expect_sent("finish, over\n");
	expect_told("closed\n");
	assert_false(agent_is_open(agent));
}

static void test_the_last_words_do_not_come(void **state)
{
	(void)state;
	writing = true;
	agent_close(agent);
	pass(2900);
	expect_told("");
	pass(200);
	expect_told("closed\n");
	connect_agent();
	agent_close(agent);
	events->ended(events_arg, "broken", PROVIDER_LOST);
	expect_told("closed\n");
	pass(5000);
	expect_told("");
}

/* The first one, too: nobody was heard yet. */
static void test_connections_that_come_to_nothing(void **state)
{
	(void)state;
	agent_close(agent);
	agent_connect(agent, "ws://x", -1, NULL);
	for (int i = 0; i < 3; i++) {
		lose();
		expect_told("lost\n");
		agent_connect(agent, "ws://x", -1, NULL);
	}
	lose();
	expect_told("ended\n");
}

static void test_a_refusal_is_final(void **state)
{
	(void)state;
	agent_close(agent);
	agent_connect(agent, "ws://x", -1, NULL);
	events->ended(events_arg, "no such agent", PROVIDER_REFUSED);
	pass(1000);
	expect_told("ended\n");
}

static void test_patience_is_for_all_that_come_to_nothing(void **state)
{
	(void)state;
	pass(60 * 60 * 1000); /* a conversation takes none of it */
	lose();
	expect_told("lost\n");
	agent_connect(agent, "ws://x", -1, NULL);
	pass(10 * 1000);
	lose();
	expect_told("lost\n");
	pass(60 * 1000); /* nor does an address that is long in coming */
	agent_connect(agent, "ws://x", -1, NULL);
	pass(5 * 1000);
	lose();
	expect_told("ended\n");
}

static void test_which_answers_to_an_upgrade_are_final(void **state)
{
	(void)state;
	static const unsigned final[] = {301, 307, 400, 401, 403, 404, 422}, passing[] = {0, 101, 408, 425, 429, 500, 502, 503, 529};
	for (size_t i = 0; i < sizeof final / sizeof *final; i++)
		assert_true(provider_refuses(final[i]));
	for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
		assert_false(provider_refuses(passing[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_result_outlives_its_connection, begin, end),
		cmocka_unit_test_setup_teardown(test_what_it_was_told_outlives_its_connection, begin, end),
		cmocka_unit_test_setup_teardown(test_what_was_heard_is_counted_by_connection, begin, end),
		cmocka_unit_test_setup_teardown(test_audio_that_is_not_base64, begin, end),
		cmocka_unit_test_setup_teardown(test_steady_connections_are_given_back, begin, end),
		cmocka_unit_test_setup_teardown(test_the_last_words_are_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(test_the_last_words_do_not_come, begin, end),
		cmocka_unit_test_setup_teardown(test_connections_that_come_to_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_a_refusal_is_final, begin, end),
		cmocka_unit_test_setup_teardown(test_patience_is_for_all_that_come_to_nothing, begin, end),
		cmocka_unit_test(test_which_answers_to_an_upgrade_are_final),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
