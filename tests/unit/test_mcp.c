/* What a client of mcpd's sends, how it is read, and what becomes of a request whose client cancels it or
 * goes. */
#include "tests/unit/unit.h"

#include "lib/base/json_build.h"
#include "mcpd/features/arguments.h"
#include "mcpd/features/elicitation.h"
#include "mcpd/rpc.h"
#include "mcpd/rpc_parse.h"
#include "tools_json.h" /* made from tools.json */

/* ---- daemons that answer when the test says so ---- */

enum { QUERIES_MAX = 16 };
static struct {
	peer_answer_fn *fn;
	void *arg;
} queries[QUERIES_MAX];
static unsigned query_count;
static bool confirms;

void backend_ask(struct backend *b, enum message type, json_t *args, peer_answer_fn *fn, void *arg)
{
	(void)b;
	(void)type;
	json_decref(args);
	assert_true(query_count < QUERIES_MAX);
	queries[query_count].fn = fn;
	queries[query_count++].arg = arg;
}

/* Answers what was asked until now; what is asked meanwhile waits for the next time. */
static void answer_queries(const char *reply, const struct peer_error *error)
{
	unsigned count = query_count;
	json_t *body = reply ? json_loads(reply, 0, NULL) : NULL;
	for (unsigned i = 0; i < count; i++)
		queries[i].fn(queries[i].arg, error ? NULL : body, error);
	memmove(queries, queries + count, (query_count - count) * sizeof *queries);
	query_count -= count;
	json_decref(body);
}

bool backend_confirms(struct backend *b)
{
	(void)b;
	return confirms;
}

void backend_subscribe(struct backend *b)
{
	(void)b;
}

void backend_on_news(struct backend *b, backend_news_fn *fn, void *arg)
{
	(void)b;
	(void)fn;
	(void)arg;
}

void backend_free(struct backend **b)
{
	*b = NULL;
}

/* ---- a client ---- */

struct client {
	struct mcpd mcpd;
	struct rpc *rpc;
	unsigned sent, ended; /* messages, and what ended without an answer */
	json_t *last;
	char ended_id[32];
};

static void on_send(void *arg, const json_t *about, json_t *message)
{
	struct client *c = arg;
	if (message == NULL) {
		c->ended++;
		snprintf(c->ended_id, sizeof c->ended_id, "%s",
			 json_is_string(about) ? json_string_value(about) : "");
		return;
	}
	c->sent++;
	json_decref(c->last);
	c->last = message;
}

static void say(struct client *c, const char *text)
{
	rpc_receive(c->rpc, text, strlen(text));
}

/* modern: each request says so itself; else initialize comes first. */
static void come(struct client *c, bool asks)
{
	*c = (struct client){0};
	query_count = 0;
	mcpd_init(&c->mcpd, NULL, NULL);
	c->rpc = rpc_new(&c->mcpd, on_send, c);
	if (asks)
		say(c,
		    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
		    "\"2025-11-25\",\"capabilities\":{\"elicitation\":{}}}}");
	c->sent = 0;
}

static void leave(struct client *c)
{
	rpc_free(&c->rpc);
}

static void forget(struct client *c)
{
	json_decref(c->last);
	asks_free(&c->mcpd.asks);
}

#define CALL "CA0123456789abcdef0123456789abcdef"
#define META                                                                                               \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/" \
	"clientCapabilities\":{\"elicitation\":{},\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}}"
#define CREATE                                                                         \
	"\"name\":\"phony_create_call\",\"arguments\":{\"toNumber\":\"+12025550123\"," \
	"\"callInstructions\":\"x\",\"systemInstructions\":\"y\"}"

/* Every kind of request that asks a daemon, of both eras. */
static const struct {
	const char *method, *params;
} asking[] = {
	{"resources/read", "\"uri\":\"call://transcriptions\""},
	{"resources/read", "\"uri\":\"call://transcriptions/" CALL "\""},
	{"resources/read", "\"uri\":\"call://recordings/" CALL "\""},
	{"completion/complete",
	 "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"call://transcriptions/{callSid}\"},"
	 "\"argument\":{\"name\":\"callSid\",\"value\":\"\"}"},
	{"tools/call", CREATE},
	{"tools/call", "\"name\":\"phony_wait_for_call\",\"arguments\":{\"callSid\":\"" CALL "\"}"},
	{"tools/call", "\"name\":\"phony_request_operator_context\",\"arguments\":{\"callSid\":\"" CALL
		       "\",\"question\":\"Which day?\"}"},
	{"tools/call", "\"name\":\"phony_list_messages\",\"arguments\":{}"},
	{"tasks/get", "\"taskId\":\"" CALL "\"," META},
	{"tasks/update", "\"taskId\":\"" CALL "\",\"inputResponses\":{}," META},
	{"tasks/cancel", "\"taskId\":\"" CALL "\"," META},
	{"tasks/cancel", "\"taskId\":\"PC0123456789abcdef0123456789abcdef\"," META},
	{"resources/read", "\"uri\":\"call://transcriptions\"," META},
	{"tools/call", CREATE "," META},
	{"tools/call", "\"name\":\"phony_wait_for_call\",\"arguments\":{\"callSid\":\"" CALL "\"}," META},
};
enum { ASKING = sizeof asking / sizeof *asking };

static void ask(struct client *c, unsigned kind)
{
	char text[1200];
	snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"%s\",\"params\":{%s}}",
		 asking[kind].method, asking[kind].params);
	say(c, text);
}

/* Something of everything that the daemons say. */
static const char reply[] = "{\"status\":\"in-progress\",\"message\":\"m\",\"callSid\":\"" CALL
			    "\",\"isLive\":true,\"operatorQuestion\":{\"question\":\"Which day?\"},\"calls\":"
			    "[{\"callSid\":\"" CALL "\"}],\"data\":{\"callSid\":\"" CALL
			    "\",\"operatorQuestion\":{\"question\":\"Which day?\"}}}";
static const struct peer_error gone = {"not_scheduled", "It is not there.", 409};

enum end { CLIENT_LEAVES, REQUEST_IS_CANCELLED, ENDS };

/* After so many answers of the daemons the client leaves or cancels, and the rest of the answers come. */
static void end_after(unsigned kind, unsigned answers, enum end end, const struct peer_error *error)
{
	struct client c;
	come(&c, true);
	ask(&c, kind);
	for (unsigned i = 0; i < answers; i++)
		answer_queries(reply, i == 0 ? error : NULL);
	unsigned sent = c.sent, waiting = rpc_pending(c.rpc), ended = c.ended;
	bool pending = query_count > 0;
	if (end == CLIENT_LEAVES) {
		leave(&c);
	} else {
		say(&c,
		    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":"
		    "\"q\"}}");
		assert_int_equal(rpc_pending(c.rpc), 0);
		if (waiting > 0) {
			assert_int_equal(c.ended, ended + 1);
			assert_string_equal(c.ended_id, "q");
		}
	}
	assert_true(!pending || answers > 0 || waiting == 1);
	for (unsigned i = 0; i < 3; i++)
		answer_queries(reply, NULL);
	assert_int_equal(query_count, 0);
	assert_int_equal(c.sent, sent);
	leave(&c);
	forget(&c);
}

static void test_ends(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < ASKING; kind++)
		for (unsigned answers = 0; answers < 3; answers++)
			for (unsigned end = 0; end < ENDS; end++) {
				end_after(kind, answers, (enum end)end, NULL);
				end_after(kind, answers, (enum end)end, &gone);
			}
}

/* The person is asked, and the client cancels or leaves before there is an answer, or after it. */
static void test_ends_while_asking(void **state)
{
	(void)state;
	static const char yes[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"action\":\"accept\",\"content\":{"
		"\"confirm\":true,\"answer\":\"Friday\"}}}";
	static const unsigned kinds[] = {4, 5, 6};
	confirms = true;
	for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++)
		for (unsigned answered = 0; answered < 2; answered++)
			for (unsigned end = 0; end < ENDS; end++) {
				struct client c;
				come(&c, true);
				ask(&c, kinds[k]);
				answer_queries(reply, NULL);
				assert_string_equal(json_string_value(json_object_get(c.last, "method")),
						    "elicitation/create");
				if (answered)
					say(&c, yes);
				assert_int_equal(query_count, answered);
				if (end == CLIENT_LEAVES)
					leave(&c);
				else
					say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
						"\"params\":{\"requestId\":\"q\"}}");
				unsigned sent = c.sent;
				answer_queries(reply, NULL);
				if (end != CLIENT_LEAVES)
					say(&c, yes); /* too late */
				assert_int_equal(query_count, 0);
				assert_int_equal(c.sent, sent);
				leave(&c);
				forget(&c);
			}
	confirms = false;
}

/* Of a batch the answers to what was not cancelled are sent; if nothing is left, its transport hears that. */
static void test_batch(void **state)
{
	(void)state;
	static const char list[] =
		"{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"tools/call\",\"params\":{\"name\":"
		"\"phony_list_calls\"}}",
			  cancel[] =
				  "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
				  "\"requestId\":\"%s\"}}";
	for (unsigned cancelled = 1; cancelled <= 2; cancelled++) {
		struct client c;
		char one[200], two[200], text[500];
		come(&c, false);
		say(&c,
		    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
		    "\"2025-03-26\",\"capabilities\":{}}}");
		c.sent = 0;
		snprintf(one, sizeof one, list, "one");
		snprintf(two, sizeof two, list, "two");
		snprintf(text, sizeof text, "[%s,%s]", one, two);
		say(&c, text);
		for (unsigned i = 0; i < cancelled; i++) {
			snprintf(text, sizeof text, cancel, i == 0 ? "one" : "two");
			say(&c, text);
		}
		answer_queries("{\"count\":0,\"calls\":[]}", NULL);
		assert_int_equal(c.sent, cancelled == 1);
		assert_int_equal(c.ended, cancelled == 2);
		if (cancelled == 1)
			assert_int_equal(json_array_size(c.last), 1);
		leave(&c);
		forget(&c);
	}
}

/* A daemon's answer that says it failed is an error to the client. */
static void test_failure(void **state)
{
	(void)state;
	struct client c;
	come(&c, false);
	say(&c, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":"
		"\"phony_emergency_shutdown\"}}");
	answer_queries(
		"{\"status\":\"error\",\"message\":\"0 call(s) ended, 1 could not be ended\",\"ended\":0,"
		"\"failures\":[{\"callSid\":\"" CALL "\",\"message\":\"Twilio cannot be reached\"}]}",
		NULL);
	const json_t *result = json_object_get(c.last, "result");
	assert_true(json_is_true(json_object_get(result, "isError")));
	const char *text = json_string_value(
		json_object_get(json_array_get(json_object_get(result, "content"), 0), "text"));
	assert_string_equal(text,
			    "0 call(s) ended, 1 could not be ended\n" CALL ": Twilio cannot be reached");
	leave(&c);
	forget(&c);
}

/* Cancelling a call that is placed at that moment ends it all the same; one that lives on is told of. */
static void test_cancel(void **state)
{
	(void)state;
	static const struct peer_error elsewhere = {"elsewhere", "Another host serves it.", 409},
				       over = {"not_live", "It is over.", 409};
	static const struct peer_error *const second[] = {NULL, &over, &elsewhere};
	for (unsigned i = 0; i < 3; i++) {
		struct client c;
		come(&c, false);
		ask(&c, 11);
		answer_queries(NULL, &gone); /* not_scheduled */
		assert_int_equal(c.sent, 0);
		answer_queries(reply, second[i]);
		assert_int_equal(json_object_get(c.last, "error") != NULL, second[i] == &elsewhere);
		assert_int_equal(c.sent, 1);
		leave(&c);
		forget(&c);
	}
}

/* ---- reading ---- */

static json_t *parse(const char *bytes, size_t len, json_t **id)
{
	char fault[220];
	return rpc_parse(bytes, len, fault, sizeof fault, id);
}

static void expect_text(const char *bytes, const char *expected)
{
	json_t *id, *message = parse(bytes, strlen(bytes), &id);
	assert_non_null(message);
	assert_null(id);
	assert_string_equal(json_string_value(json_object_get(message, "x")), expected);
	json_decref(message);
}

static void test_parse(void **state)
{
	(void)state;
	expect_text("\xef\xbb\xbf{\"x\":\"a\"}", "a");
	expect_text("{\"x\":\"a\\u0000b\"}", "a\xef\xbf\xbd"
					     "b");
	expect_text("{\"x\":\"\\ud83d\\ude00\"}", "\xf0\x9f\x98\x80");
	expect_text("{\"x\":\"\\ud83d\"}", "\xef\xbf\xbd");
	expect_text("{\"x\":\"\\ud83d.\"}", "\xef\xbf\xbd.");
	expect_text("{\"x\":\"\\uD83D\\uD83D\\uDE00\"}", "\xef\xbf\xbd\xf0\x9f\x98\x80");
	expect_text("{\"x\":\"\\ude00\\ud83d\"}", "\xef\xbf\xbd\xef\xbf\xbd");
	expect_text("{\"x\":\"\\\\ud83d\"}", "\\ud83d");
	expect_text("{\"x\":\"\\\\\\ud83d\"}", "\\\xef\xbf\xbd");
	expect_text("{\"x\":\"Qu\xe9"
		    "bec\"}",
		    "Qu\xef\xbf\xbd"
		    "bec");
	expect_text("{\"x\":\"\xed\xa0\x80\"}", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	json_t *id, *message = parse("{\"x\":\"a\0b\"}", 11, &id);
	assert_string_equal(json_string_value(json_object_get(message, "x")), "a\xef\xbf\xbd"
									      "b");
	json_decref(message);
}

/* What is not JSON is answered under its id, when that can be read. */
static void test_id_of_garbage(void **state)
{
	(void)state;
	static const struct {
		const char *text, *id;
	} all[] = {
		{"{\"jsonrpc\":\"2.0\",\"id\":5,\"params\":{\"x\":99999999999999999999}}", "5"},
		{"{\"id\":5,\"x\":1e999}", "5"},
		{"{\"x\":\"\t\",\"id\":\"a\"}", "\"a\""},
		{"{\"id\": 7", "7"},
		{"{\"id\":8,\"method\":\"ping\"} x", "8"},
		{"{\"params\":{\"id\":1,\"x\":[{\"id\":2}]},\"id\" : 3,}", "3"},
		{"{\"x\":\"\\\"id\\\":1\",\"id\":4,}", "4"},
		{"{\"x\":\"id\",\"id\":\"\\ud800\",}", "\"\xef\xbf\xbd\""},
		{"{\"params\":{\"id\":1},}", NULL},
		{"{\"id\":null,}", NULL},
		{"{\"id\":{},}", NULL},
		{"{\"id\":", NULL},
		{"{\"id", NULL},
		{"{\"x\":\"\\", NULL},
		{"[{\"id\":1},]", NULL},
		{"garbage", NULL},
		{"", NULL},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		json_t *id, *message = parse(all[i].text, strlen(all[i].text), &id);
		char *text = id ? json_dumps(id, JSON_ENCODE_ANY) : NULL;
		assert_null(message);
		assert_int_equal(text == NULL, all[i].id == NULL);
		if (text != NULL)
			assert_string_equal(text, all[i].id);
		free(text);
		json_decref(id);
	}
}

static void test_id_of_long_lines(void **state)
{
	(void)state;
	static const struct {
		const char *head, *tail;
		json_int_t id;
	} all[] = {
		{"{\"jsonrpc\":\"2.0\",\"id\":5,\"params\":{\"x\":\"yyy", "yyyy\"}}", 5},
		{"{\"params\":{\"id\":1,\"x\":\"yyy", "yyy\"},\"jsonrpc\":\"2.0\",\"id\": 6 } \r", 6},
		{"{\"params\":{\"x\":\"yyy", "yyy\",\"id\":7}}", 0},
		{"{\"params\":{\"x\":\"yyy", "yyy\",\\\"id\\\":7}\"}", 0},
		{"{\"params\":{\"x\":\"yyy", "yyy\"},\"id\"", 0},
		{"{\"params\":{\"x\":\"yyy", "yyy\"},\"id\":", 0},
		{"", "", 0},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		json_t *id = rpc_find_id(all[i].head, strlen(all[i].head), all[i].tail, strlen(all[i].tail));
		assert_int_equal(json_integer_value(id), all[i].id);
		json_decref(id);
	}
}

/* Nothing in what is sent ends a line for anybody. */
static void test_text(void **state)
{
	(void)state;
	json_t *message = json_build("{s:s}", "x",
				     "a\xe2\x80\xa8"
				     "b\xe2\x80\xa9"
				     "c\xc2\x85\x7f\xf0\x9f\x98\x80\n");
	char *text = rpc_text(message);
	for (const char *at = text; *at != '\0'; at++)
		assert_true((unsigned char)*at >= ' ' && (unsigned char)*at < 0x80);
	json_t *again = json_loads(text, 0, NULL);
	assert_true(json_equal(message, again));
	free(text);
	json_decref(message);
	json_decref(again);
}

/* ---- arguments ---- */

static json_t *schema_of(const char *tool_name)
{
	json_t *tools = json_loads(tools_json, 0, NULL), *tool, *schema = NULL;
	size_t i;
	json_array_foreach (tools, i, tool)
		if (strcmp(json_string_value(json_object_get(tool, "name")), tool_name) == 0)
			schema = json_incref(json_object_get(tool, "inputSchema"));
	json_decref(tools);
	assert_non_null(schema);
	return schema;
}

static void expect_arguments(const char *tool, const char *given, const char *expected, const char *ignored)
{
	char names[200];
	json_t *schema = schema_of(tool), *in = given ? json_loads(given, 0, NULL) : NULL,
	       *want = json_loads(expected, 0, NULL), *out = arguments_read(schema, in, names, sizeof names);
	assert_true(json_equal(out, want));
	assert_string_equal(names, ignored);
	json_decref(schema);
	json_decref(in);
	json_decref(want);
	json_decref(out);
}

static void test_arguments(void **state)
{
	(void)state;
	expect_arguments("phony_list_calls", NULL, "{}", "");
	expect_arguments("phony_list_calls", "{\"limit\":null,\"status\":null,\"toNumber\":\"+1\"}",
			 "{\"toNumber\":\"+1\"}", "");
	expect_arguments("phony_list_calls", "{\"sessionId\":\"s\",\"limit\":5,\"toolCallId\":null}",
			 "{\"limit\":5}", "sessionId, toolCallId");
	/* Lists, objects, numbers and booleans in texts; what is not of the type stays as it is. */
	expect_arguments("phony_list_calls", "{\"limit\":\"5\",\"toNumber\":\"5\",\"status\":\"null\"}",
			 "{\"limit\":5,\"toNumber\":\"5\",\"status\":\"null\"}", "");
	expect_arguments("phony_list_calls", "{\"limit\":\"five\",\"offset\":\"[1]\"}",
			 "{\"limit\":\"five\"}", "offset");
	expect_arguments("phony_create_call",
			 "{\"record\":\"true\",\"maxDuration\":\"5.5\",\"outcomeSchema\":"
			 "\"{\\\"type\\\":\\\"object\\\",\\\"properties\\\":{}}\"}",
			 "{\"record\":true,\"maxDuration\":\"5.5\","
			 "\"outcomeSchema\":{\"type\":\"object\",\"properties\":{}}}", "");
	expect_arguments("phony_send_bulk_sms",
			 "{\"toNumbers\":\"[\\\"+1\\\",{\\\"toNumber\\\":\\\"+2\\\"}]\",\"mediaUrls\":[\"[1]\"]}",
			 "{\"toNumbers\":[{\"toNumber\":\"+1\"},{\"toNumber\":\"+2\"}],\"mediaUrls\":[\"[1]\"]}", "");
	expect_arguments("phony_send_bulk_sms", "{\"toNumbers\":[\"{\\\"toNumber\\\":\\\"+2\\\"}\",\"3\"]}",
			 "{\"toNumbers\":[{\"toNumber\":\"+2\"},{\"toNumber\":\"3\"}]}", "");
	/* What a schema or a template's fields are named is nobody's business. */
	expect_arguments("phony_create_call",
			 "{\"outcomeSchema\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"null\"}},"
			 "\"required\":null,\"more\":null}}",
			 "{\"outcomeSchema\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"null\"}},"
			 "\"more\":null}}",
			 "");
	expect_arguments(
		"phony_send_bulk_sms",
		"{\"toNumbers\":[\"+1\",{\"toNumber\":\"+2\",\"fields\":{\"who\":\"B\"}}]}",
		"{\"toNumbers\":[{\"toNumber\":\"+1\"},{\"toNumber\":\"+2\",\"fields\":{\"who\":\"B\"}}]}",
		"");
}

/* ---- the schemas of all tools: what the strictest of those that read them takes ---- */

/* input: what a model writes by, which is read more strictly than what it is answered. */
static void check_schema(const char *tool, const json_t *schema, bool input, unsigned depth)
{
	static const char *const refused[] = {"anyOf",       "oneOf",
					      "allOf",       "not",
					      "if",          "$ref",
					      "$defs",       "const",
					      "format",      "patternProperties",
					      "prefixItems", "additionalProperties"};
	const char *type = json_string_value(json_object_get(schema, "type")), *name;
	json_t *properties = json_object_get(schema, "properties"), *member, *required;
	size_t i;
	if (type == NULL)
		fail_msg("%s: a schema without a type, or with several", tool);
	for (i = 0; i < sizeof refused / sizeof *refused; i++)
		if (json_object_get(schema, refused[i]) != NULL)
			fail_msg("%s: %s", tool, refused[i]);
	/* Gemini: "properties: should be non-empty for OBJECT type". A tool without arguments has none. */
	if (input && strcmp(type, "object") == 0 &&
	    (properties == NULL || (depth > 0 && json_object_size(properties) == 0)))
		fail_msg("%s: an object without properties", tool);
	if (strcmp(type, "array") == 0 && json_object_get(schema, "items") == NULL)
		fail_msg("%s: an array without items", tool);
	if (json_object_get(schema, "enum") != NULL && strcmp(type, "string") != 0)
		fail_msg("%s: an enum of what is no string", tool);
	json_array_foreach (json_object_get(schema, "required"), i, required)
		if (json_object_get(properties, json_string_value(required)) == NULL)
			fail_msg("%s: %s is required, and no property", tool, json_string_value(required));
	json_object_foreach (properties, name, member) {
		if (input && depth == 0 && json_object_get(member, "description") == NULL)
			fail_msg("%s: %s has no description", tool, name);
		check_schema(tool, member, input, depth + 1);
	}
	if (json_object_get(schema, "items") != NULL)
		check_schema(tool, json_object_get(schema, "items"), input, depth + 1);
}

static void test_schemas(void **state)
{
	(void)state;
	json_t *tools = json_loads(tools_json, 0, NULL), *tool;
	size_t i;
	json_array_foreach (tools, i, tool) {
		const char *name = json_string_value(json_object_get(tool, "name"));
		const json_t *data = json_object_get(tool, "data");
		check_schema(name, json_object_get(tool, "inputSchema"), true, 0);
		check_schema(name, data ? data : json_object_get(tool, "outputSchema"), false, 0);
	}
	assert_true(i > 60);
	json_decref(tools);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),          cmocka_unit_test(test_ends_while_asking),
		cmocka_unit_test(test_batch),         cmocka_unit_test(test_failure),
		cmocka_unit_test(test_cancel),        cmocka_unit_test(test_parse),
		cmocka_unit_test(test_id_of_garbage), cmocka_unit_test(test_id_of_long_lines),
		cmocka_unit_test(test_text),          cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_schemas),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
