/* Tools' arguments against their schemas. */
#include "lib/base/schema.h"
#include "tests/unit/unit.h"

static json_t *schema(void)
{
	return json_loads("{\"type\":\"object\",\"required\":[\"toNumber\"],\"properties\":{"
			  "\"toNumber\":{\"type\":\"string\",\"pattern\":\"^\\\\+[1-9][0-9]{1,14}$\"},"
			  "\"kind\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]},"
			  "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":200},"
			  "\"text\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":3}}}",
			  0, NULL);
}

static void check(const char *args, const char *expected)
{
	char faults[500];
	json_t *s = schema(), *a = json_loads(args, 0, NULL);
	assert_non_null(s);
	assert_non_null(a);
	bool ok = schema_check(s, a, faults, sizeof faults);
	assert_int_equal(ok, expected == NULL);
	if (expected != NULL)
		assert_non_null(strstr(faults, expected));
	json_decref(s);
	json_decref(a);
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
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_schema)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
