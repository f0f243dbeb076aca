/* Values against JSON Schema: tools' arguments, outcomes of calls. */
#include "lib/base/schema.h"
#include "tests/unit/unit.h"

#include <sys/resource.h>
#include <time.h>

static json_t *schema(void)
{
	return json_loads("{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"toNumber\"],\"properties\":{"
			  "\"toNumber\":{\"type\":\"string\",\"pattern\":\"^\\\\+[1-9][0-9]{1,14}$\"},"
			  "\"kind\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]},"
			  "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":200},"
			  "\"text\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":3}}}",
			  0, NULL);
}

static void check_with(json_t *s, const char *args, const char *expected)
{
	char faults[500];
	json_t *a = json_loads(args, JSON_DECODE_ANY, NULL);
	assert_non_null(s);
	assert_non_null(a);
	bool ok = schema_check(s, a, faults, sizeof faults);
	assert_int_equal(ok, expected == NULL);
	if (expected != NULL)
		assert_non_null(strstr(faults, expected));
	json_decref(s);
	json_decref(a);
}

static void check(const char *args, const char *expected)
{
	check_with(schema(), args, expected);
}

static void test_nested(void **state)
{
	(void)state;
	static const char text[] =
		"{\"type\":\"object\",\"properties\":{\"booked\":{\"type\":\"boolean\"},\"people\":{\"type\":[\"integer\","
		"\"null\"]},\"price\":{\"type\":\"number\",\"minimum\":0},\"at\":{\"type\":\"object\",\"required\":[\"day\"],"
		"\"additionalProperties\":false,\"properties\":{\"day\":{\"type\":\"string\",\"minLength\":3}}},\"names\":{"
		"\"type\":\"array\",\"minItems\":1,\"maxItems\":2,\"items\":{\"type\":\"string\"}},\"kind\":{\"const\":"
		"\"table\"}},\"required\":[\"booked\"]}";
	static const char *const cases[][2] = {
		{"{\"booked\":true,\"people\":null,\"price\":1.5,\"at\":{\"day\":\"Mon\"},\"names\":[\"a\"],\"other\":1}", NULL},
		{"{\"booked\":1}", "booked must be true or false."},
		{"{\"booked\":true,\"people\":\"four\"}", "people must be of another type."},
		{"{\"booked\":true,\"price\":-1}", "price must be at least 0."},
		{"{\"booked\":true,\"at\":{}}", "at.day is missing."},
		{"{\"booked\":true,\"at\":{\"day\":\"M\"}}", "at.day is too short."},
		{"{\"booked\":true,\"at\":{\"day\":\"Mon\",\"x\":1}}", "at.x is not asked for."},
		{"{\"booked\":true,\"names\":[]}", "names has fewer than 1"},
		{"{\"booked\":true,\"names\":[\"a\",7]}", "names[1] must be a text."},
		{"{\"booked\":true,\"names\":[\"a\",\"b\",\"c\"]}", "names has more than 2"},
		{"{\"booked\":true,\"kind\":\"chair\"}", "kind is not the value"},
		{"[]", "The value must be an object."},
	};
	char why[200];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		check_with(json_loads(text, 0, NULL), cases[i][0], cases[i][1]);
	json_t *s = json_loads(text, 0, NULL), *list = json_loads("{\"type\":\"array\"}", 0, NULL);
	json_t *broken = json_loads("{\"type\":\"object\",\"properties\":{\"a\":{\"pattern\":\"(\"}}}", 0, NULL);
	assert_true(schema_valid(s, why, sizeof why));
	assert_false(schema_valid(list, why, sizeof why));
	assert_false(schema_valid(broken, why, sizeof why));
	assert_non_null(strstr(why, "properties.a.pattern"));
	json_decref(s);
	json_decref(list);
	json_decref(broken);
}

static void test_schema(void **state)
{
	(void)state;
	check("{\"toNumber\":\"+12025550198\",\"kind\":\"a\",\"limit\":200,\"text\":\"abc\"}", NULL);
	check("{}", "toNumber is missing.");
	check("{\"toNumber\":\"555\"}", "E.164");
	check("{\"toNumber\":5}", "toNumber must be a text.");
	check("{\"toNumber\":\"+12025550198\",\"kind\":\"c\"}", "kind must be one of a, b.");
	check("{\"toNumber\":\"+12025550198\",\"limit\":0}", "limit must be 1 to 200.");
	check("{\"toNumber\":\"+12025550198\",\"limit\":\"5\"}", "limit must be a whole number.");
	check("{\"toNumber\":\"+12025550198\",\"text\":\"\"}", "text is empty.");
	check("{\"toNumber\":\"+12025550198\",\"text\":\"abcd\"}", "longer than 3");
	check("{\"toNumber\":\"+12025550198\",\"x\":1}", "x is no argument");
	check("{\"kind\":\"c\"}", "toNumber is missing. kind must be");
}

/* Of a text under "x". */
static bool fits(const char *rules, const char *text, char *faults, size_t size)
{
	json_t *inner = json_loads(rules, 0, NULL), *s = json_pack("{s:s,s:{s:o}}", "type", "object", "properties", "x", inner);
	json_t *value = json_pack("{s:s}", "x", text);
	assert_non_null(s);
	assert_non_null(value);
	bool ok = schema_check(s, value, faults, size);
	json_decref(s);
	json_decref(value);
	return ok;
}

static void test_pattern(void **state)
{
	(void)state;
	static const struct {
		const char *rules, *yes, *no;
	} cases[] = {
		{"{\"pattern\":\"^\\\\d{4}-\\\\d{2}-\\\\d{2}$\"}", "2026-12-01", "December 1st"},
		{"{\"pattern\":\"^\\\\d{2}:\\\\d{2}$\"}", "19:30", "19:3\xd9\xa0"}, /* ECMA-262: digits are 0 to 9 */
		{"{\"pattern\":\"^(?:yes|no)$\"}", "yes", "yes\n"},
		{"{\"pattern\":\"^(?:yes|no)$\"}", "no", "maybe"},
		{"{\"pattern\":\"^(?=.*\\\\d)\\\\w+$\"}", "abc1", "abc"},
		{"{\"pattern\":\"caf\\\\u00e9\"}", "Un caf\xc3\xa9", "Un cafe"},
		{"{\"pattern\":\"^.{3}$\"}", "\xc3\xa4\xc3\xb6\xc3\xbc", "\xc3\xa4\xc3\xb6"},
		{"{\"pattern\":\"^\\\\p{L}+$\"}", "Grüße", "Grüße!"},
		{"{\"pattern\":\"b+\"}", "abc", "ac"},
		{"{\"minLength\":3,\"maxLength\":3.0}", "日本語", "日本"},
		{"{\"minLength\":2,\"maxLength\":3}", "😀😀", "😀"},
		{"{\"maxLength\":3}", "äöü", "äöüß"},
	};
	char faults[300];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		print_message("%s\n", cases[i].rules);
		assert_true(fits(cases[i].rules, cases[i].yes, faults, sizeof faults));
		assert_false(fits(cases[i].rules, cases[i].no, faults, sizeof faults));
	}
	check_with(json_loads("{\"enum\":[5]}", 0, NULL), "5.0", NULL);
	check_with(json_loads("{\"const\":5.0}", 0, NULL), "5", NULL);
	check_with(json_loads("{\"type\":\"integer\"}", 0, NULL), "5.0", NULL);
	check_with(json_loads("{\"type\":\"integer\"}", 0, NULL), "5.5", "must be a whole number");
}

/* What would never end, or take all memory, ends. The right answer is not asked for. */
static void test_hostile_patterns(void **state)
{
	(void)state;
	static const char *const patterns[] = {
		"(a+)+$",         "(a|aa)+$",         "(a|a?)+$",          "(.*a){20}",          "((a*)*)*$",
		"^(([a-z])+.)+[A-Z]([a-z])+$",        "(?R)?a(?R)?",       "(a(?1)?b?)+$",       "(x+x+)+y",
		"a*+b",           "(?:a*)*b",         "(a?){100}a{100}$",  "(?=(a+))a*b\\\\1",  "(((a{0,255}){0,255}){0,20}b)",
		"(((((a{0,99}){0,99}){0,99}){0,99}){0,99})", "([a-z]*){1,500}1",
		/* Each step remembers what sixty groups have matched: without a limit it would take 80 MB. */
		"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((a|b)))))))))))))))))))))))))))))))))))))))))))))))))))))))))))*c",
	};
	enum { LONG = 200000 };
	static char text[LONG + 2];
	char faults[300], rules[200];
	memset(text, 'a', LONG);
	text[LONG] = '!';
	struct timespec before, after;
	struct rusage usage, usage_before;
	getrusage(RUSAGE_SELF, &usage_before);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		snprintf(rules, sizeof rules, "{\"pattern\":\"%s\"}", patterns[i]);
		fits(rules, text, faults, sizeof faults);
		fits(rules, text + LONG - 40, faults, sizeof faults);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	double took = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
	getrusage(RUSAGE_SELF, &usage);
	long grown = (usage.ru_maxrss - usage_before.ru_maxrss) / 1024;
	print_message("%.2f s for all of them, %ld MB\n", took, grown);
	assert_true(took < 20); /* of minutes and years; also under sanitizers */
#ifndef __SANITIZE_ADDRESS__
	assert_true(grown < 40);
#endif
	/* Many values of one hostile pattern share a budget. */
	json_t *s = json_loads("{\"type\":\"array\",\"items\":{\"pattern\":\"(a+)+$\"}}", 0, NULL), *list = json_array();
	for (int i = 0; i < 10000; i++)
		json_array_append_new(list, json_string(text + LONG - 40));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	schema_check(s, list, faults, sizeof faults);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true(after.tv_sec - before.tv_sec < 10);
	json_decref(s);
	json_decref(list);
}

/* What is wrong with a schema is told by its place. */
static void test_schema_valid(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"{\"a\":{\"pattern\":\"(\"}}", "properties.a.pattern is no regular expression: at character 2: missing closing parenthesis"},
		{"{\"a\":{\"type\":\"array\",\"items\":{\"pattern\":\"[\"}}}", "properties.a.items.pattern is no"},
		{"{\"a\":{\"properties\":{\"b\":{\"pattern\":\"*\"}}}}", "properties.a.properties.b.pattern is no"},
		{"{\"a\":{\"pattern\":5}}", "properties.a.pattern must be a text"},
		{"{\"a\":5}", "properties.a must be a schema"},
		{"{\"a\":{\"items\":[]}}", "properties.a.items must be a schema"},
		{"{\"a\":true,\"b\":{},\"c\":{\"pattern\":\"\\\\d\",\"items\":{}}}", NULL},
	};
	char why[300];
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *s = json_pack("{s:s,s:o}", "type", "object", "properties", json_loads(cases[i][0], 0, NULL));
		assert_int_equal(schema_valid(s, why, sizeof why), cases[i][1] == NULL);
		if (cases[i][1] != NULL && strstr(why, cases[i][1]) == NULL)
			fail_msg("%s", why);
		json_decref(s);
	}
	json_t *deep = json_object();
	for (int i = 0; i < 40; i++)
		deep = json_pack("{s:s,s:{s:o}}", "type", "object", "properties", "a", deep);
	assert_false(schema_valid(deep, why, sizeof why));
	assert_non_null(strstr(why, "nested too deeply"));
	json_decref(deep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_schema), cmocka_unit_test(test_nested),
					   cmocka_unit_test(test_pattern), cmocka_unit_test(test_hostile_patterns),
					   cmocka_unit_test(test_schema_valid)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
