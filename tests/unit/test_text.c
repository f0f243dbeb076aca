/* lib/base/text.h and json_build.h: whatever bytes come, what is built is valid, and is built. */
#include "lib/base/json_build.h"
#include "lib/base/text.h"
#include "tests/unit/unit.h"

#define FFFD "\xef\xbf\xbd"

static void test_cleaning(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		const char *clean;
	} cases[] = {
		{"", 0, ""},
		{"Gr\xc3\xbc\xc3\x9f" "e", 7, "Gr\xc3\xbc\xc3\x9f" "e"},
		{"a\xff" "b", 3, "a" FFFD "b"},
		{"xx.yy\0live", 10, "xx.yy" FFFD "live"},
		{"Qu\xe9" "bec", 6, "Qu" FFFD "bec"},                     /* Latin-1 */
		{"\xed\xa0\xbdx", 4, FFFD FFFD FFFD "x"},                 /* a surrogate */
		{"end\xf0\x9f", 5, "end" FFFD FFFD},                      /* a divided character */
		{"\xc0\x80", 2, FFFD FFFD},                               /* an overlong NUL */
		{"\xf4\x90\x80\x80", 4, FFFD FFFD FFFD FFFD},             /* beyond U+10FFFF */
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char out[64];
		assert_int_equal(text_copy(out, sizeof out, cases[i].bytes, cases[i].len), strlen(cases[i].clean));
		assert_string_equal(out, cases[i].clean);
		char *copy = text_dup(cases[i].bytes, cases[i].len);
		assert_string_equal(copy, cases[i].clean);
		free(copy);
		json_t *text = json_text_n(cases[i].bytes, cases[i].len);
		assert_string_equal(json_string_value(text), cases[i].clean);
		json_decref(text);
		assert_int_equal(text_valid(cases[i].bytes, cases[i].len), strlen(cases[i].clean) == cases[i].len && memcmp(cases[i].bytes, cases[i].clean, cases[i].len) == 0);
	}
}

/* Every cut of a text of one to four bytes a character is valid and no longer than asked. */
static void test_cuts(void **state)
{
	(void)state;
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
	size_t len = strlen(text);
	for (size_t max = 0; max <= len + 2; max++) {
		char out[32], printed[32];
		size_t cut = text_cut(text, max);
		assert_true(cut <= max && cut <= len && text_valid(text, cut));
		assert_true(max < len || cut == len);
		assert_true(len < max || max - cut < 4);
		if (max == 0)
			continue;
		size_t copied = text_copy(out, max, text, len);
		assert_true(copied < max && text_valid(out, copied));
		assert_int_equal(copied, text_cut(text, max - 1));
		assert_int_equal(text_printf(printed, max, "%s", text), copied);
		assert_string_equal(printed, out);
		snprintf(printed, sizeof printed, "%.*s", TEXT_CUT(text, max));
		assert_true(text_valid(printed, strlen(printed)));
	}
}

static void test_build(void **state)
{
	(void)state;
	json_t *kept = json_integer(7);
	json_t *built = json_build("{s:s, s:[i, I, b, f, n], s:{s:O, s:o?}, s:s*, s:o*, s:s, s:s#}", "bad", "\xff\xfe",
		"list", 1, (json_int_t)1 << 40, 1, 0.5, "inner", "kept", kept, "null", (json_t *)NULL, "left out",
		(const char *)NULL, "left out, too", (json_t *)NULL, "none", (const char *)NULL, "part", "abc", 2);
	char *text = json_dumps(built, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, "{\"bad\":\"" FFFD FFFD "\",\"inner\":{\"kept\":7,\"null\":null},"
				  "\"list\":[1,1099511627776,true,0.5,null],\"none\":null,\"part\":\"ab\"}");
	free(text);
	json_decref(built);
	assert_int_equal(kept->refcount, 1);
	json_decref(kept);

	built = json_build("{s:i}", "k\xe9y", 1);
	assert_non_null(json_object_get(built, "k" FFFD "y"));
	json_decref(built);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cleaning),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_build),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
