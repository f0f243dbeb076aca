/* G.711 against spandsp: all 256 codes, all 65,536 samples. */
#include "callworker/audio/mulaw.h"
#include "tests/unit/unit.h"

#include <spandsp.h>

static void test_decode_all_codes(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		uint8_t code = (uint8_t)i;
		int16_t sample;
		mulaw_decode(&code, 1, &sample);
		assert_int_equal(sample, ulaw_to_linear(code));
	}
}

static void test_encode_all_samples(void **state)
{
	(void)state;
	for (int i = -32768; i < 32768; i++) {
		int16_t sample = (int16_t)i;
		uint8_t code;
		mulaw_encode(&sample, 1, &code);
		if (code != linear_to_ulaw(i))
			fail_msg("sample %d becomes %02x, spandsp says %02x", i, code, linear_to_ulaw(i));
	}
}

static void test_there_and_back(void **state)
{
	(void)state;
	for (int i = 0; i < 256; i++) {
		uint8_t code = (uint8_t)i, again;
		int16_t sample;
		mulaw_decode(&code, 1, &sample);
		mulaw_encode(&sample, 1, &again);
		/* 0x7f is the second zero. */
		assert_int_equal(again, code == 0x7f ? 0xff : code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_all_codes),
		cmocka_unit_test(test_encode_all_samples),
		cmocka_unit_test(test_there_and_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
