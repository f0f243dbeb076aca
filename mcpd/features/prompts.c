#include "mcpd/features/prompts.h"

#include "lib/base/buffer.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGUMENTS = 6 };

struct argument {
	const char *name, *description;
	bool required;
};

/* {name} in a text is replaced; a sentence in [] stands only when its argument was given. */
static const struct prompt {
	const char *name, *title, *description, *text;
	struct argument arguments[ARGUMENTS];
} prompts[] = {
	{"make-restaurant-reservation",
	 "Make a restaurant reservation",
	 "Calls a restaurant and books a table",
	 "You are calling a restaurant to book a table for {peopleNumber} people on {date} at {time}. Call "
	 "the "
	 "restaurant at {restaurantNumber} with phony_create_call, follow the call with phony_wait_for_call "
	 "until "
	 "it is over, and tell me whether the table is booked, under which name, and anything the restaurant "
	 "asked for.",
	 {{"restaurantNumber", "E.164 number of the restaurant, for example +12025550198", true},
	  {"peopleNumber", "How many people", true},
	  {"date", "Day, for example 2026-12-01", true},
	  {"time", "Time, for example 19:00", true}}},
	{"reschedule-appointment",
	 "Reschedule an appointment",
	 "Calls and moves an appointment to another time",
	 "Call {phoneNumber} with phony_create_call and move my appointment {appointment} to {newTimes}.[ It "
	 "is under "
	 "the name {name}.] If none of these times is free, ask which are, tell them that I will call back, "
	 "and "
	 "agree to nothing else. Follow the call with phony_wait_for_call until it is over; then tell me the "
	 "new "
	 "time, or which times were offered.",
	 {{"phoneNumber", "E.164 number to call", true},
	  {"appointment", "Which appointment, and when it is now", true},
	  {"newTimes", "The times that would suit, best first", true},
	  {"name", "The name it is under", false}}},
	{"confirm-booking",
	 "Confirm a booking",
	 "Calls and confirms that a booking stands",
	 "Call {phoneNumber} with phony_create_call and confirm my booking: {booking}.[ The reference is "
	 "{reference}.] "
	 "Have them read it back: day, time, number of people, name. Change nothing. Follow the call with "
	 "phony_wait_for_call until it is over, and tell me whether it stands, and every detail that "
	 "differs.",
	 {{"phoneNumber", "E.164 number to call", true},
	  {"booking", "What is booked, for when and whom", true},
	  {"reference", "Its reference or number", false}}},
	{"ask-availability",
	 "Ask for availability",
	 "Calls and asks whether something is to be had",
	 "Call {phoneNumber} with phony_create_call and ask whether {item} is available[ on {date}], what it "
	 "costs, "
	 "and what one has to do to get it. Buy, book and reserve nothing. Follow the call with "
	 "phony_wait_for_call until it is over, and sum up the answers.",
	 {{"phoneNumber", "E.164 number to call", true},
	  {"item", "What you would like to have", true},
	  {"date", "For which day", false}}},
	{"navigate-phone-menu",
	 "Get through a phone menu",
	 "Calls, goes through the menu, and asks a question",
	 "Call {phoneNumber} with phony_create_call. There is a menu: listen to it, press keys with "
	 "send_dtmf until "
	 "you reach {department}, wait through hold music without speaking, and then: {goal}[ If you are "
	 "asked for "
	 "an account or reference, it is {reference}.] Follow the call with phony_wait_for_call until it is "
	 "over, "
	 "and tell me the answer and which keys led there.",
	 {{"phoneNumber", "E.164 number to call", true},
	  {"department", "Where in the menu you want to go", true},
	  {"goal", "What you want to know or have done there", true},
	  {"reference", "Account or reference number to give when asked", false}}},
	{"deliver-message",
	 "Deliver a message",
	 "Calls somebody and tells them something",
	 "Call {phoneNumber} with phony_create_call[ and ask for {person}]. Deliver this message in your own "
	 "words: "
	 "{message} Ask whether they have an answer, and note it. When a voicemail answers, leave the "
	 "message "
	 "there (machineDetection message). Follow the call with phony_wait_for_call until it is over, and "
	 "tell me "
	 "whether it was delivered, to whom, and what they said.",
	 {{"phoneNumber", "E.164 number to call", true},
	  {"message", "What is to be told", true},
	  {"person", "Whom to ask for", false}}},
};

static const struct prompt *find(const char *name)
{
	for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++)
		if (strcmp(prompts[i].name, name) == 0)
			return &prompts[i];
	return NULL;
}

bool prompts_have(const char *name, const char *argument)
{
	const struct prompt *p = find(name);
	for (size_t i = 0; p != NULL && i < ARGUMENTS && p->arguments[i].name != NULL; i++)
		if (strcmp(p->arguments[i].name, argument) == 0)
			return true;
	return false;
}

void prompts_list(struct request *q)
{
	static const struct rpc_cache cache = {3600000, "public"};
	json_t *list = json_array();
	if (!request_first_page(q)) {
		json_decref(list);
		return;
	}
	for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
		const struct prompt *p = &prompts[i];
		json_t *arguments = json_array();
		for (size_t k = 0; k < ARGUMENTS && p->arguments[k].name != NULL; k++)
			json_array_append_new(arguments,
					      json_build("{s:s, s:s, s:b}", "name", p->arguments[k].name,
							 "description", p->arguments[k].description,
							 "required", p->arguments[k].required));
		json_array_append_new(list,
				      json_build("{s:s, s:s, s:s, s:o}", "name", p->name, "title", p->title,
						 "description", p->description, "arguments", arguments));
	}
	request_answer(q, json_build("{s:o}", "prompts", list), &cache);
}

/* The value of the argument whose name stands at `at`, up to a brace; NULL when it was not given. */
static const char *value_at(const struct prompt *p, const char *values[ARGUMENTS], const char *at, size_t len)
{
	for (size_t i = 0; i < ARGUMENTS && p->arguments[i].name != NULL; i++)
		if (strlen(p->arguments[i].name) == len && strncmp(p->arguments[i].name, at, len) == 0)
			return values[i];
	panic("prompt %s has no argument %.*s", p->name, TEXT_SPAN(at, len));
}

/* The text with its fields filled in; freed by the caller. */
static char *fill(const struct prompt *p, const char *values[ARGUMENTS])
{
	struct buffer text = {0};
	for (const char *at = p->text; *at != '\0'; at++) {
		if (*at == '[') {
			const char *field = strchr(at, '{');
			if (value_at(p, values, field + 1, strcspn(field + 1, "}")) == NULL)
				at = strchr(at, ']');
		} else if (*at == '{') {
			size_t len = strcspn(at + 1, "}");
			const char *value = value_at(p, values, at + 1, len);
			buffer_append_text(&text, value ? value : "");
			at += len + 1;
		} else if (*at != ']') {
			buffer_append(&text, at, 1);
		}
	}
	buffer_append(&text, "", 1);
	return (char *)text.data;
}

void prompts_get(struct request *q)
{
	const char *name = "", *values[ARGUMENTS] = {0};
	json_t *given = NULL;
	char message[100];
	struct json_reader r;
	json_read_open(&r, request_params(q));
	json_read_text(&r, "name", JSON_NEEDED, 1, 128, &name);
	json_read_object(&r, "arguments", JSON_OPTIONAL, &given);
	const struct prompt *p = find(name);
	if (!json_read_ok(&r) || p == NULL) {
		text_printf(message, sizeof message, "Unknown prompt: %.*s", TEXT_CUT(name, 60));
		request_fail(q, RPC_INVALID_PARAMS, json_read_ok(&r) ? message : r.faults, NULL);
		return;
	}
	json_t *none = given ? NULL : json_object();
	json_read_open(&r, given ? given : none);
	for (size_t i = 0; i < ARGUMENTS && p->arguments[i].name != NULL; i++)
		json_read_text(&r, p->arguments[i].name,
			       p->arguments[i].required ? JSON_NEEDED : JSON_OPTIONAL, 1, 2000, &values[i]);
	if (!json_read_ok(&r)) {
		request_fail(q, RPC_INVALID_PARAMS, r.faults, NULL);
	} else {
		char *text = fill(p, values);
		request_answer(q,
			       json_build("{s:s, s:[{s:s, s:{s:s, s:s}}]}", "description", p->description,
					  "messages", "role", "user", "content", "type", "text", "text",
					  text),
			       NULL);
		free(text);
	}
	json_decref(none);
}
