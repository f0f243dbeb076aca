/* OpenAI Realtime: events that are missing, late, repeated or out of order. */
#include "tests/unit/provider_talk.h"

/* base64 of 801 bytes of mu-law: a tenth of a second */
static char tenth[1069];

static void begin(void)
{
	memset(tenth, 'A', 1068);
	talk_open(&provider_openai);
	hear("{'type':'session.created','session':{'id':'s'}}");
	hear("{'type':'session.updated','session':{}}");
	hear("{'type':'response.created','response':{'id':'r0'}}");
	hear("{'type':'response.done','response':{'id':'r0','status':'completed','output':[]}}");
	expect_told("ready s\n");
	assert_int_equal(sent_count("response.create"), 1);
	forget_sent();
}

static void created(const char *response)
{
	hear("{'type':'response.created','response':{'id':'%s'}}", response);
}

static void done(const char *response, const char *status)
{
	hear("{'type':'response.done','response':{'id':'%s','status':'%s','output':[]}}", response, status);
}

static void item(const char *response, const char *id)
{
	hear("{'type':'response.output_item.added','response_id':'%s','item':{'id':'%s','type':'message',"
	     "'role':'assistant','status':'in_progress','content':[]}}",
	     response, id);
}

/* Tenths of a second of audio. */
static void audio(const char *response, const char *id, int tenths)
{
	while (tenths-- > 0)
		hear("{'type':'response.output_audio.delta','response_id':'%s','item_id':'%s','delta':'%s'}",
		     response, id, tenth);
}

static void words(const char *response, const char *id, const char *text)
{
	hear("{'type':'response.output_audio_transcript.delta','response_id':'%s','item_id':'%s','delta':'%s'}",
	     response, id, text);
}

static void words_done(const char *id, const char *text)
{
	hear("{'type':'response.output_audio_transcript.done','item_id':'%s','transcript':'%s'}", id, text);
}

static void committed(const char *id, const char *after)
{
	hear("{'type':'input_audio_buffer.committed','item_id':'%s','previous_item_id':%s%s%s}", id,
	     after ? "'" : "", after ? after : "null", after ? "'" : "");
}

static void transcribed(const char *id, const char *text)
{
	hear("{'type':'conversation.item.input_audio_transcription.completed','item_id':'%s','transcript':'%s'}",
	     id, text);
}

static void call_function(const char *response, const char *id, const char *name, const char *arguments)
{
	hear("{'type':'response.function_call_arguments.done','response_id':'%s','item_id':'f%s','call_id':'%s',"
	     "'name':'%s','arguments':%s}",
	     response, id, id, name, arguments);
}

static void result(const char *id, bool go_on)
{
	talk.provider->tool_result(talk.conversation, id, "ok", false, go_on);
}

/* ---- turns ---- */

static void test_an_item_without_a_text_holds_back_nothing(void **state)
{
	static const char *const ends[] = {"cancelled", "failed", "incomplete", "completed"};
	(void)state;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		begin();
		created("r1");
		item("r1", "a1");
		done("r1", ends[i]);
		committed("u1", "a1");
		transcribed("u1", "Hello? A table, please.");
		created("r2");
		item("r2", "a2");
		audio("r2", "a2", 1);
		words_done("a2", "Certainly, for when?");
		expect_told("1 user: Hello? A table, please.\n2 agent: Certainly, for when?\n");
		talk_close();
	}
}

/* The end of an item tells its text, where nothing told it before. */
static void test_the_text_of_an_item_at_its_end(void **state)
{
	(void)state;
	begin();
	created("r1");
	item("r1", "a1");
	audio("r1", "a1", 1);
	hear("{'type':'response.output_item.done','response_id':'r1','item':{'id':'a1','type':'message',"
	     "'role':'assistant','status':'incomplete','content':[{'type':'output_audio','transcript':'Good day to'}]}}");
	expect_told("1 agent: Good day to\n");
	/* Only the response tells of this one. */
	hear("{'type':'response.done','response':{'id':'r1','status':'completed','output':[{'id':'a1','type':'message',"
	     "'role':'assistant','status':'completed','content':[{'type':'output_audio','transcript':'Good day to you.'}]},"
	     "{'id':'a2','type':'message','role':'assistant','status':'completed','content':[{'type':'output_text','text':'And more.'}]}]}}");
	expect_told("2 agent: And more.\n");
	talk_close();
}

/* Some servers make several parts of one item. */
static void test_an_item_of_several_parts(void **state)
{
	(void)state;
	begin();
	created("r1");
	item("r1", "a1");
	audio("r1", "a1", 4);
	words_done("a1", "One. ");
	words_done("a1", "Two.");
	hear("{'type':'response.output_item.done','response_id':'r1','item':{'id':'a1','type':'message',"
	     "'role':'assistant','status':'completed','content':[{'type':'output_audio','transcript':'One. '},"
	     "{'type':'output_audio','transcript':'Two.'}]}}");
	hear("{'type':'response.done','response':{'id':'r1','status':'completed','output':[{'id':'a1','type':'message',"
	     "'role':'assistant','content':[{'type':'output_audio','transcript':'Another.'}]}]}}");
	expect_told("1 agent: One. \ncorrected 1: One. Two.\n");
	talk_close();
}

static void test_a_written_answer_is_a_turn(void **state)
{
	static const char *const kinds[] = {"output_text", "text"};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin();
		created("r1");
		item("r1", "a1");
		hear("{'type':'response.%s.delta','response_id':'r1','item_id':'a1','delta':'Certa'}", kinds[i]);
		if (i == 0)
			hear("{'type':'response.output_text.done','item_id':'a1','text':'Certainly.'}");
		done("r1", "completed");
		expect_told(i == 0 ? "1 agent: Certainly.\n" : "1 agent: Certa\n");
		talk_close();
	}
}

static void test_words_that_were_never_heard(void **state)
{
	(void)state;
	begin();
	created("r1");
	item("r1", "a1");
	words("r1", "a1", "Nobody hears");
	done("r1", "cancelled");
	talk_close();
	assert_string_equal(talk.told, "");
}

static void test_the_end_tells_what_is_known(void **state)
{
	(void)state;
	begin();
	committed("u1", NULL);
	created("r1");
	item("r1", "a1");
	audio("r1", "a1", 1);
	words_done("a1", "It is at seven.");
	committed("u2", "a1");
	hear("{'type':'conversation.item.input_audio_transcription.delta','item_id':'u2','delta':' Good'}");
	hear("{'type':'conversation.item.input_audio_transcription.delta','item_id':'u2','delta':'bye.'}");
	created("r2");
	item("r2", "a2");
	audio("r2", "a2", 1);
	words("r2", "a2", "Thank you and");
	expect_told("");
	talk.provider->finish(talk.conversation, true);
	expect_told("1 agent: It is at seven.\n2 user: Goodbye.\n3 agent: Thank you and\ncorrected 3: Thank you and\n");
	talk_close();
	assert_string_equal(talk.told, "");
}

/* A whole text that is empty says less than its parts. */
static bool leave(void)
{
	talk.provider->finish(talk.conversation, false);
	return talk.provider->leave(talk.conversation);
}

static void speech(const char *what)
{
	hear("{'type':'input_audio_buffer.speech_%s','audio_start_ms':0,'item_id':'next'}", what);
}

/* The line has ended: what the caller said is still being written down. */
static void test_the_last_words(void **state)
{
	(void)state;
	begin();
	assert_false(leave());
	committed("u1", NULL);
	assert_true(leave());
	assert_int_equal(sent_count("input_audio_buffer.commit"), 0);
	expect_told("");
	transcribed("u1", "Number seven.");
	expect_told("1 user: Number seven.\nwritten\n");
	assert_false(leave());
	committed("u2", "u1");
	pass(11000); /* it never gets its text */
	assert_false(leave());
	talk_close();
}

/* The line ended in the middle of a word: no silence follows by which the server hears the end. */
static void test_the_last_word(void **state)
{
	(void)state;
	begin();
	speech("started");
	assert_true(leave());
	assert_int_equal(sent_count("input_audio_buffer.commit"), 1);
	assert_true(leave());
	assert_int_equal(sent_count("input_audio_buffer.commit"), 1);
	expect_told("interrupted\n");
	committed("u1", NULL);
	expect_told("");
	transcribed("u1", "Number sev");
	expect_told("1 user: Number sev\nwritten\n");
	/* The server tells only now that somebody speaks. */
	speech("started");
	assert_int_equal(sent_count("input_audio_buffer.commit"), 2);
	assert_true(leave());
	hear("{'type':'error','error':{'type':'invalid_request_error','code':'input_audio_buffer_commit_empty',"
	     "'message':'buffer too small'}}");
	expect_told("interrupted\nwritten\n");
	/* The call goes on: its audio does, too. */
	talk.provider->send_audio(talk.conversation, "AAAA", 4, (struct mono_us){1});
	speech("started");
	speech("stopped");
	assert_int_equal(sent_count("input_audio_buffer.commit"), 2);
	assert_true(leave());
	assert_int_equal(sent_count("input_audio_buffer.commit"), 2);
	talk_close();
}

static void test_an_empty_text(void **state)
{
	(void)state;
	begin();
	created("r1");
	item("r1", "a1");
	audio("r1", "a1", 1);
	words("r1", "a1", "Thank you.");
	words_done("a1", "");
	committed("u1", "a1");
	hear("{'type':'conversation.item.input_audio_transcription.delta','item_id':'u1','delta':'Bye.'}");
	transcribed("u1", "");
	expect_told("1 agent: Thank you.\n2 user: Bye.\n");
	talk_close();
}

/* The agent is not heard any more, the call goes on. */
static void test_the_agent_falls_silent(void **state)
{
	(void)state;
	begin();
	committed("u1", NULL);
	hear("{'type':'conversation.item.input_audio_transcription.delta','item_id':'u1','delta':'Have you'}");
	created("r1");
	item("r1", "a1");
	audio("r1", "a1", 1);
	words("r1", "a1", "One moment");
	talk.provider->finish(talk.conversation, false);
	expect_told("1 agent: One moment\ncorrected 1: One moment\n");
	words_done("a1", "One moment, please.");
	transcribed("u1", "Have you a table?");
	expect_told("2 user: Have you a table? (before 1)\n");
	talk_close();
}

static void test_a_late_text_has_its_place(void **state)
{
	(void)state;
	begin();
	committed("u1", NULL);
	created("r1");
	item("r1", "a1");
	audio("r1", "a1", 1);
	words_done("a1", "Yes.");
	done("r1", "completed");
	pass(2900);
	expect_told("");
	pass(200);
	expect_told("1 agent: Yes.\n");
	committed("u2", "a1");
	transcribed("u2", "For four.");
	expect_told("2 user: For four.\n");
	transcribed("u1", "Have you a table?");
	expect_told("3 user: Have you a table? (before 1)\n");
	/* A repeat, and one that could not be understood. */
	transcribed("u1", "Have you a table?");
	committed("u3", "u2");
	hear("{'type':'conversation.item.input_audio_transcription.failed','item_id':'u3','error':{'code':null}}");
	expect_told("");
	talk_close();
}

/* previous_item_id says where it belongs, whatever came first. */
static void test_the_order_of_items(void **state)
{
	(void)state;
	begin();
	committed("u1", NULL);
	created("r1");
	item("r1", "a1");
	committed("u2", "u1");
	transcribed("u2", "Two.");
	transcribed("u1", "One.");
	words_done("a1", "Three.");
	expect_told("1 user: One.\n2 user: Two.\n3 agent: Three.\n");
	talk_close();
}

/* ---- interruptions ---- */

static void test_what_was_heard(void **state)
{
	(void)state;
	static const struct {
		const char *said;
		int heard_tenths;
		const char *heard;
	} cases[] = {
		{"I would like a table for two", 5, "I would like a"},
		{"\u3082\u3057\u3082\u3057\u3001\u3054\u4e88\u7d04\u306e\u304a\u96fb\u8a71\u3067\u3059\u3002", 5, NULL},
		{"\u4f60\u597d\u6211\u60f3\u8ba2\u4e00\u5f20\u684c\u5b50", 5, NULL},
		{"\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e04\u0e23\u0e31\u0e1a\u0e02\u0e2d\u0e08\u0e2d\u0e07\u0e42\u0e15\u0e4a\u0e30", 5, NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin();
		created("r1");
		item("r1", "a1");
		audio("r1", "a1", 10);
		words_done("a1", cases[i].said);
		talk.told[0] = '\0';
		hear("{'type':'input_audio_buffer.speech_started','item_id':'u1'}");
		talk.provider->heard(talk.conversation, (uint64_t)cases[i].heard_tenths * 801);
		assert_int_equal(sent_count("\"audio_end_ms\":500"), 1);
		char *heard = strstr(talk.told, "corrected 1: ");
		assert_non_null(heard);
		heard += strlen("corrected 1: ");
		heard[strcspn(heard, "\n")] = '\0';
		size_t all = strlen(cases[i].said), part = strlen(heard);
		if (cases[i].heard != NULL)
			assert_string_equal(heard, cases[i].heard);
		assert_memory_equal(heard, cases[i].said, part);
		assert_in_range(part, all / 4, all * 3 / 5);
		talk_close();
	}
}

/* The words of what was heard come after the interruption, with those of what was not. */
static void test_words_after_the_interruption(void **state)
{
	(void)state;
	begin();
	created("r1");
	item("r1", "a1");
	audio("r1", "a1", 5);
	hear("{'type':'input_audio_buffer.speech_started','item_id':'u1'}");
	talk.provider->heard(talk.conversation, 400 * 8);
	expect_told("interrupted\n");
	hear("{'type':'response.output_audio.delta','response_id':'r1','item_id':'a1','delta':'%s'}", tenth);
	words("r1", "a1", "one two three four five six");
	done("r1", "cancelled");
	expect_told("1 agent: one two three\ncorrected 1: one two three\n");
	talk_close();
}

static void test_not_over_the_caller(void **state)
{
	(void)state;
	begin();
	created("r1");
	item("r1", "a1");
	talk.provider->direct(talk.conversation, "Be quick");
	hear("{'type':'input_audio_buffer.speech_started','item_id':'u1'}");
	done("r1", "cancelled");
	assert_int_equal(sent_count("response.create"), 0);
	hear("{'type':'input_audio_buffer.speech_stopped','item_id':'u1'}");
	committed("u1", "a1");
	created("r2"); /* the server's own: it knows the instruction */
	done("r2", "completed");
	assert_int_equal(sent_count("response.create"), 0);
	talk_close();
}

static void test_one_that_was_asked_for_when_the_caller_began(void **state)
{
	(void)state;
	begin();
	talk.provider->direct(talk.conversation, "Say goodbye");
	hear("{'type':'input_audio_buffer.speech_started','item_id':'u1'}");
	created("r1");
	assert_int_equal(sent_count("\"type\":\"response.cancel\""), 1);
	audio("r1", "a1", 1);
	assert_int_equal(talk.audio, 0);
	done("r1", "cancelled");
	hear("{'type':'input_audio_buffer.speech_stopped','item_id':'u1'}");
	pass(3100); /* and the server never answers */
	assert_int_equal(sent_count("response.create"), 2);
	talk_close();
}

static void test_the_owner_interrupts(void **state)
{
	(void)state;
	begin();
	created("r1");
	item("r1", "a1");
	audio("r1", "a1", 5);
	talk.provider->interrupt(talk.conversation);
	assert_int_equal(sent_count("\"response_id\":\"r1\""), 1);
	talk.provider->direct(talk.conversation, "Something else");
	assert_int_equal(sent_count("response.create"), 0);
	audio("r1", "a1", 1);
	assert_int_equal(talk.audio, 5);
	done("r1", "cancelled");
	assert_int_equal(sent_count("response.create"), 1);
	/* It had ended by itself: nothing follows from that. */
	hear("{'type':'error','error':{'type':'invalid_request_error','code':'response_cancel_not_active','message':'x'}}");
	assert_int_equal(sent_count("response.create"), 1);
	talk_close();
}

/* ---- responses ---- */

static void error(const char *code, const char *message, const char *event)
{
	hear("{'type':'error','error':{'type':'invalid_request_error','code':%s,'message':'%s','event_id':%s}}", code,
	     message, event);
}

static void test_a_request_is_refused(void **state)
{
	static const struct {
		const char *code, *message, *event;
		bool after; /* a response that was created meanwhile, and is over */
	} cases[] = {
		{"'conversation_already_has_active_response'", "x", "null", false},
		{"'conversation_already_has_active_response'", "x", "null", true},
		{"null", "Conversation already has an active response", "null", false},
		{"null", "Conversation already has an active response", "null", true},
		{"'server_error'", "The server had an error", "null", false},
		{"null", "no", "'create_2'", true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin();
		talk.provider->direct(talk.conversation, "Ask for the name");
		assert_int_equal(sent_count("response.create"), 1);
		if (cases[i].after) {
			created("r1");
			done("r1", "completed");
		}
		error(cases[i].code, cases[i].message, cases[i].event);
		if (i % 4 == 0 || i == 2)
			done("r9", "completed"); /* of the one that was active */
		pass(11000);
		assert_in_range(sent_count("response.create"), 2, 3);
		talk_close();
	}
}

static void test_errors_about_other_things(void **state)
{
	(void)state;
	begin();
	created("r1");
	error("'invalid_value'", "Audio content of 10ms is already shorter than 20ms", "null");
	error("null", "what", "'another_7'");
	hear("{'type':'error','error':null}");
	done("r1", "completed");
	pass(60000);
	assert_int_equal(sent_count("response.create"), 0);
	talk_close();
}

static void test_no_answer_at_all(void **state)
{
	(void)state;
	begin();
	talk.provider->direct(talk.conversation, "Ask for the name");
	pass(6500);
	assert_int_equal(sent_count("response.create"), 2);
	pass(60000); /* the connection is given up, for another */
	talk.handler->closed(talk.arg, "closed");
	assert_non_null(strstr(talk.told, "ended lost: OpenAI did not answer response.create"));
	talk_close();
}

static void test_late_ends_of_other_responses(void **state)
{
	(void)state;
	begin();
	created("r1");
	created("r2");
	talk.provider->direct(talk.conversation, "x");
	done("r1", "cancelled");
	assert_int_equal(sent_count("response.create"), 0);
	done("r2", "completed");
	assert_int_equal(sent_count("response.create"), 1);
	talk_close();
}

/* What the agent was saying when the connection broke was cut off; what it had said before was not. */
static void test_a_sentence_that_the_connection_ends(void **state)
{
	(void)state;
	begin();
	created("r1");
	item("r1", "a1");
	audio("r1", "a1", 1);
	words_done("a1", "Good evening.");
	done("r1", "completed");
	created("r2");
	item("r2", "a2");
	words("r2", "a2", "May I");
	audio("r2", "a2", 1);
	talk.handler->closed(talk.arg, "closed");
	assert_non_null(strstr(talk.told, "2 agent: May I\ncorrected 2: May I\nended lost: "));
	assert_null(strstr(talk.told, "corrected 1"));
	talk_close();
}

static void test_the_session_ends(void **state)
{
	(void)state;
	begin();
	error("'session_expired'", "Your session hit the maximum duration of 60 minutes.", "null");
	talk.handler->closed(talk.arg, "closed");
	assert_non_null(strstr(talk.told, "ended lost: "));
	talk_close();
	talk_open(&provider_openai);
	hear("{'type':'error','error':{'type':'server_error','code':null,'message':'oops'}}");
	talk.handler->closed(talk.arg, "closed");
	assert_non_null(strstr(talk.told, "ended lost: "));
	talk_close();
	talk_open(&provider_openai);
	hear("{'type':'error','error':{'type':'invalid_request_error','code':'invalid_value','message':'No such model',"
	     "'param':'session.audio.input.transcription.model'}}");
	talk.handler->closed(talk.arg, "closed");
	assert_non_null(strstr(talk.told, "ended refused: OpenAI: No such model: check OPENAI_TRANSCRIPTION_MODEL"));
	talk_close();
	talk_open(&provider_openai);
	talk.http_status = 302;
	talk.handler->closed(talk.arg, "redirected");
	assert_non_null(strstr(talk.told, "ended refused: the server redirects"));
	talk_close();
}

/* ---- functions ---- */

/* Each refusal of session.update is met once, whichever comes first. */
static void test_parameters_that_are_refused(void **state)
{
	static const char *const refusals[] = {"'code':'invalid_function_parameters','param':'session.tools[0].parameters'",
					       "'code':'unknown_parameter','param':'session.tools[0].parameters'",
					       "'code':null,'param':'session.tools[0].parameters'"};
	static const char older[] = "{'type':'error','error':{'type':'invalid_request_error',"
				    "'code':'unknown_parameter','message':'type','param':'session.type'}}";
	(void)state;
	for (size_t i = 0; i < 2 * (sizeof refusals / sizeof *refusals); i++) {
		talk_open(&provider_openai);
		json_array_append_new(talk.tools, json_loads("{\"name\":\"report\",\"description\":\"Reports.\","
							     "\"parameters\":{\"anyOf\":[]}}", 0, NULL));
		hear("{'type':'session.created','session':{'id':'s'}}");
		if (i % 2 == 1)
			hear(older);
		assert_int_equal(sent_count("\"parameters\":{\"anyOf\":[]}"), 1 + i % 2);
		forget_sent();
		hear("{'type':'error','error':{'type':'invalid_request_error','message':'Invalid schema',%s}}",
		     refusals[i / 2]);
		assert_int_equal(sent_count("\"parameters\":{\"type\":\"object\",\"properties\":{}}"), 1);
		assert_int_equal(sent_count("Reports.\\nThe arguments' JSON Schema: {\\\"anyOf\\\":[]}"), 1);
		assert_int_equal(sent_count("\"g711_ulaw\",\"output_audio_format\""), i % 2);
		hear("{'type':'session.updated','session':{}}");
		expect_told("ready s\n");
		talk_close();
	}
}

static void test_parallel_functions(void **state)
{
	(void)state;
	begin();
	created("r1");
	call_function("r1", "c1", "send_dtmf", "'{}'");
	call_function("r1", "c2", "add_note", "'{}'");
	hear("{'type':'response.output_item.done','response_id':'r1','item':{'id':'fc2','type':'function_call',"
	     "'status':'completed','call_id':'c2','name':'add_note','arguments':'{}'}}");
	expect_told("tool c2 add_note {}\n");
	result("c2", true);
	hear("{'type':'response.done','response':{'id':'r1','status':'completed','output':["
	     "{'id':'fc1','type':'function_call','status':'completed','call_id':'c1','name':'send_dtmf','arguments':'{}'},"
	     "{'id':'fc3','type':'function_call','status':'completed','call_id':'c3','name':'end_call','arguments':{}}]}}");
	expect_told("tool c1 send_dtmf {}\ntool c3 end_call {}\n");
	assert_int_equal(sent_count("response.create"), 0);
	result("c3", true);
	assert_int_equal(sent_count("response.create"), 0);
	result("c1", true);
	assert_int_equal(sent_count("response.create"), 1);
	talk_close();
}

static void test_the_last_function(void **state)
{
	(void)state;
	begin();
	created("r1");
	call_function("r1", "c1", "add_note", "'{}'");
	call_function("r1", "c2", "end_call", "'{}'");
	done("r1", "completed");
	result("c1", true);
	result("c2", false);
	assert_int_equal(sent_count("response.create"), 0);
	talk_close();
}

static void test_arguments(void **state)
{
	static const struct {
		const char *sent, *read;
	} cases[] = {{"''", "{}"}, {"' '", "{}"}, {"'null'", "{}"}, {"null", "{}"}, {"'{'", "none"}, {"'[]'", "none"},
		     {"{'a':1}", "{\"a\":1}"}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char expected[80];
		begin();
		created("r1");
		call_function("r1", "c1", "end_call", cases[i].sent);
		done("r1", "completed");
		snprintf(expected, sizeof expected, "tool c1 end_call %s\n", cases[i].read);
		expect_told(expected);
		talk_close();
	}
}

/* Its arguments end anywhere: it must neither be run nor be answered. */
static void test_a_function_of_an_interrupted_response(void **state)
{
	(void)state;
	begin();
	created("r1");
	call_function("r1", "c1", "add_note", "'{'");
	hear("{'type':'input_audio_buffer.speech_started','item_id':'u1'}");
	hear("{'type':'response.output_item.done','response_id':'r1','item':{'id':'fc1','type':'function_call',"
	     "'status':'incomplete','call_id':'c1','name':'add_note','arguments':'{'}}");
	done("r1", "cancelled");
	expect_told("interrupted\n");
	assert_int_equal(sent_count("response.create"), 0);
	talk_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_item_without_a_text_holds_back_nothing),
		cmocka_unit_test(test_the_text_of_an_item_at_its_end),
		cmocka_unit_test(test_an_item_of_several_parts),
		cmocka_unit_test(test_a_written_answer_is_a_turn),
		cmocka_unit_test(test_words_that_were_never_heard),
		cmocka_unit_test(test_the_end_tells_what_is_known),
		cmocka_unit_test(test_the_last_words),
		cmocka_unit_test(test_the_last_word),
		cmocka_unit_test(test_an_empty_text),
		cmocka_unit_test(test_the_agent_falls_silent),
		cmocka_unit_test(test_a_late_text_has_its_place),
		cmocka_unit_test(test_the_order_of_items),
		cmocka_unit_test(test_what_was_heard),
		cmocka_unit_test(test_words_after_the_interruption),
		cmocka_unit_test(test_not_over_the_caller),
		cmocka_unit_test(test_one_that_was_asked_for_when_the_caller_began),
		cmocka_unit_test(test_the_owner_interrupts),
		cmocka_unit_test(test_a_request_is_refused),
		cmocka_unit_test(test_errors_about_other_things),
		cmocka_unit_test(test_no_answer_at_all),
		cmocka_unit_test(test_late_ends_of_other_responses),
		cmocka_unit_test(test_a_sentence_that_the_connection_ends),
		cmocka_unit_test(test_the_session_ends),
		cmocka_unit_test(test_parameters_that_are_refused),
		cmocka_unit_test(test_parallel_functions),
		cmocka_unit_test(test_the_last_function),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_a_function_of_an_interrupted_response),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
