/* DTMF: read back by multimon-ng, an independent decoder, and sample by sample against a vector. */
#include "callworker/audio/dtmf.h"
#include "callworker/audio/mulaw.h"
#include "lib/base/base64.h"
#include "tests/unit/unit.h"

#include <jansson.h>
#include <math.h>
#include <unistd.h>

/* What multimon-ng hears. */
static void decode(const char *digits, char *heard, size_t size)
{
	struct buffer tones = {0};
	char raw[] = "/tmp/phony-dtmf-XXXXXX", command[400], line[200];
	dtmf_render(digits, &tones);
	int fd = mkstemp(raw);
	assert_int_equal(write(fd, tones.data, tones.len), tones.len);
	close(fd);
	buffer_free(&tones);
	snprintf(command, sizeof command,
		 "sox -D -t raw -r 8000 -c 1 -e mu-law -b 8 %s -t raw -r 22050 -e signed -b 16 - pad 0.1 0.1 "
		 "| "
		 "multimon-ng -q -a DTMF -t raw - 2>/dev/null",
		 raw);
	FILE *p = popen(command, "r");
	heard[0] = '\0';
	while (fgets(line, sizeof line, p) != NULL)
		if (strncmp(line, "DTMF: ", 6) == 0)
			snprintf(heard + strlen(heard), size - strlen(heard), "%c", line[6]);
	pclose(p);
	unlink(raw);
}

static void test_every_digit(void **state)
{
	(void)state;
	char heard[64], digit[2] = "";
	for (const char *c = "0123456789*#ABCD"; *c; c++) {
		digit[0] = *c;
		decode(digit, heard, sizeof heard);
		assert_string_equal(heard, digit);
	}
}

static void test_sequence(void **state)
{
	(void)state;
	char heard[64];
	decode("1234567890*#ABCD", heard, sizeof heard);
	assert_string_equal(heard, "1234567890*#ABCD");
	decode("112233", heard, sizeof heard);
	assert_string_equal(heard, "112233");
	decode("1w2 W3", heard, sizeof heard);
	assert_string_equal(heard, "123");
}

static void test_vector(void **state)
{
	(void)state;
	json_t *file = json_load_file("tests/data/dtmf.json", 0, NULL);
	assert_non_null(file);
	const char *payload = json_string_value(json_object_get(json_object_get(file, "sample"), "payload"));
	size_t len = strlen(payload);
	uint8_t *expected = malloc(len);
	ssize_t n = base64_decode(payload, len, expected);
	struct buffer tones = {0};
	dtmf_render("5", &tones);
	assert_true(n >= 1600 && tones.len >= 800 + 1600);
	int16_t ours[1600], theirs[1600];
	mulaw_decode(tones.data + 800, 1600, ours);
	mulaw_decode(expected, 1600, theirs);
	/* A sample on the edge between two codes may fall to either side. */
	int equal = 0;
	for (int i = 0; i < 1600; i++)
		equal += abs(ours[i] - theirs[i]) <= 8;
	assert_true(equal > 1550);
	free(expected);
	buffer_free(&tones);
	json_decref(file);
}

static void test_pauses(void **state)
{
	(void)state;
	struct buffer one = {0}, paused = {0};
	dtmf_render("1", &one);
	dtmf_render("w1W", &paused);
	assert_int_equal(one.len, 300 * 8);
	assert_int_equal(paused.len, one.len + 1500 * 8);
	buffer_free(&one);
	buffer_free(&paused);
}

static void test_check(void **state)
{
	(void)state;
	assert_null(dtmf_check("0123456789*#ABCDabcd wW"));
	assert_non_null(dtmf_check(""));
	assert_non_null(dtmf_check("   "));
	assert_non_null(dtmf_check("12x"));
	assert_non_null(dtmf_check("1,2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_digit), cmocka_unit_test(test_sequence),
		cmocka_unit_test(test_vector),      cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
