/* ElevenLabs agents: events that are stale, repeated, or not quite what their types say. */
#include "tests/unit/provider_talk.h"

static void begin(void)
{
	talk_open(&provider_elevenlabs);
	hear("{'type':'conversation_initiation_metadata','conversation_initiation_metadata_event':{'conversation_id':'c',"
	     "'agent_output_audio_format':'ulaw_8000','user_input_audio_format':'ulaw_8000'}}");
	expect_told("ready c\n");
	forget_sent();
}

static void audio(int id)
{
	hear("{'type':'audio','audio_event':{'audio_base_64':'AAAA','event_id':%d}}", id);
}

static void interruption(int id)
{
	hear("{'type':'interruption','interruption_event':{'event_id':%d}}", id);
}

static void test_audio_and_interruptions(void **state)
{
	(void)state;
	begin();
	audio(4);
	audio(5);
	interruption(6);
	expect_told("interrupted\n");
	audio(5); /* stale */
	assert_int_equal(talk.audio, 2);
	audio(6); /* the answer to what interrupted */
	assert_int_equal(talk.audio, 3);
	interruption(6); /* the same again */
	interruption(3); /* older than what plays */
	expect_told("");
	audio(9);
	interruption(8); /* newer than the last, and older than what plays */
	expect_told("");
	interruption(9); /* of what plays */
	expect_told("interrupted\n");
	hear("{'type':'interruption'}"); /* of an older server: it names none */
	expect_told("interrupted\n");
	audio(0);
	hear("{'type':'audio','audio_event':{'audio_base_64':'AA\\/A','event_id':8}}");
	assert_int_equal(talk.audio, 5);
	talk_close();
}

static void tool(const char *id, const char *parameters)
{
	hear("{'type':'client_tool_call','client_tool_call':{'tool_name':'end_call',%s%s'event_id':1}}", id, parameters);
}

static void test_every_tool_call_is_answered(void **state)
{
	static const struct {
		const char *id, *parameters, *told;
	} cases[] = {
		{"'tool_call_id':'t1',", "'parameters':{'a':1},", "tool t1 end_call {\"a\":1}\n"},
		{"'tool_call_id':'t1',", "'parameters':'{\\'a\\':1}',", "tool t1 end_call {\"a\":1}\n"},
		{"'tool_call_id':'t1',", "'parameters':'',", "tool t1 end_call {}\n"},
		{"'tool_call_id':'t1',", "'parameters':null,", "tool t1 end_call {}\n"},
		{"'tool_call_id':'t1',", "", "tool t1 end_call {}\n"},
		{"'tool_call_id':'t1',", "'parameters':'nonsense',", "tool t1 end_call none\n"},
		{"'tool_call_id':'t1',", "'parameters':[1],", "tool t1 end_call none\n"},
		{"'tool_call_id':'',", "'parameters':{},", "tool  end_call {}\n"},
		{"", "'parameters':{},", "tool  end_call {}\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin();
		tool(cases[i].id, cases[i].parameters);
		expect_told(cases[i].told);
		talk.provider->tool_result(talk.conversation, "", "ok", false, true);
		assert_int_equal(sent_count("\"client_tool_result\",\"tool_call_id\":\"\""), 1);
		talk_close();
	}
}

static void test_a_repeated_tool_call(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 3; i++)
		tool("'tool_call_id':'t1',", "'parameters':{},");
	expect_told("tool t1 end_call {}\n");
	tool("", "'parameters':{},");
	tool("", "'parameters':{},");
	expect_told("tool  end_call {}\ntool  end_call {}\n");
	for (int i = 2; i < 100; i++) {
		char id[40];
		snprintf(id, sizeof id, "'tool_call_id':'t%d',", i);
		tool(id, "'parameters':{},");
		tool(id, "'parameters':{},");
	}
	const char *at = talk.told;
	for (int i = 2; i < 100; i++, at += strcspn(at, "\n") + 1)
		assert_int_equal(atoi(at + strlen("tool t")), i);
	assert_string_equal(at, "");
	talk_close();
}

/* ElevenLabs has carried end_call out itself: however the connection ends, no other agent is asked for. */
static void test_the_agent_hangs_up(void **state)
{
	static const struct {
		const char *response, *told;
	} cases[] = {
		{"'tool_name':'end_call','tool_type':'system','is_error':false", "ended done: "},
		{"'tool_name':'end_call'", "ended done: "},
		{"'tool_name':'end_call','is_error':true", "ended lost: "},
		{"'tool_name':'language_detection','is_error':false", "ended lost: "},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin();
		hear("{'type':'agent_tool_response','agent_tool_response':{'tool_call_id':'x',%s}}", cases[i].response);
		expect_told("");
		talk.handler->closed(talk.arg, "the connection ended without a close frame");
		assert_ptr_equal(strstr(talk.told, cases[i].told), talk.told);
		talk_close();
	}
}

static void says(const char *text, int id)
{
	hear("{'type':'agent_response','agent_response_event':{'agent_response':'%s','event_id':%d}}", text, id);
}

static void corrects(const char *original, const char *text, int id)
{
	hear("{'type':'agent_response_correction','agent_response_correction_event':{'original_agent_response':'%s',"
	     "'corrected_agent_response':'%s','event_id':%d}}",
	     original, text, id);
}

static void test_corrections(void **state)
{
	(void)state;
	begin();
	says("One two three.", 1);
	says("One two three.", 1); /* the same again */
	says("Four five six.", 7);
	expect_told("1 agent: One two three.\n2 agent: Four five six.\n");
	corrects("One two three.", "One...", 3);
	corrects("Four, five, six.", "Four...", 7);
	corrects("Four five six.", "", 9);
	corrects("Four five six.", "...", 9); /* nothing of it was heard */
	expect_told("corrected 1: One...\ncorrected 2: Four...\ncorrected 2: \ncorrected 2: \n");
	corrects("Seven eight nine.", "Seven...", 11); /* before what it corrects */
	expect_told("");
	says("Seven eight nine.", 10);
	expect_told("3 agent: Seven eight nine.\ncorrected 3: Seven...\n");
	talk_close();
}

static void test_redirects_are_refused(void **state)
{
	(void)state;
	talk_open(&provider_elevenlabs);
	talk.http_status = 307;
	talk.handler->closed(talk.arg, "redirected");
	assert_non_null(strstr(talk.told, "ended refused: "));
	talk_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_audio_and_interruptions),
		cmocka_unit_test(test_every_tool_call_is_answered),
		cmocka_unit_test(test_a_repeated_tool_call),
		cmocka_unit_test(test_the_agent_hangs_up),
		cmocka_unit_test(test_corrections),
		cmocka_unit_test(test_redirects_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
