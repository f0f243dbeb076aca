/* Values against JSON Schema: tools' arguments, outcomes of calls. */
#include "lib/base/schema.h"
#include "tests/unit/unit.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_schema), cmocka_unit_test(test_nested)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
