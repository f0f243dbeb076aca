/* The resampler by tones: delay, flatness of the passband, images and aliases. */
#include "callworker/audio/resample.h"
#include "tests/unit/unit.h"

#include <math.h>

enum { SECONDS = 2 };

/* The level (dB against full scale) of one frequency in the samples. */
static double level_db(const int16_t *samples, size_t count, double hz, double rate)
{
	double re = 0, im = 0, window = 0;
	for (size_t i = 0; i < count; i++) {
		double w = 0.5 - 0.5 * cos(2 * M_PI * (double)i / (double)count);
		re += w * samples[i] * cos(2 * M_PI * hz * (double)i / rate);
		im += w * samples[i] * sin(2 * M_PI * hz * (double)i / rate);
		window += w;
	}
	return 20 * log10(2 * sqrt(re * re + im * im) / window / 32767 + 1e-9);
}

/* A tone of this frequency through the resampler, 20 ms at a time. */
static int16_t *convert(unsigned in_hz, unsigned out_hz, double tone_hz, size_t *count, double *most_held_ms)
{
	struct resampler *r = resampler_new(in_hz, out_hz);
	size_t chunk = in_hz / 50, chunks = 50 * SECONDS;
	int16_t *in = malloc(chunk * sizeof *in);
	int16_t *out = malloc((out_hz * SECONDS + 8192) * sizeof *out);
	*count = 0;
	*most_held_ms = 0;
	for (size_t c = 0; c < chunks; c++) {
		for (size_t i = 0; i < chunk; i++)
			in[i] = (int16_t)lrint(16000 *
					       sin(2 * M_PI * tone_hz * (double)(c * chunk + i) / in_hz));
		int16_t *room = malloc(resampler_out_max(r, chunk) * sizeof *room);
		size_t n = resampler_run(r, in, chunk, room);
		memcpy(out + *count, room, n * sizeof *out);
		free(room);
		*count += n;
		double held = 1000.0 * (double)((c + 1) * chunk) / in_hz - 1000.0 * (double)*count / out_hz;
		if (held > *most_held_ms)
			*most_held_ms = held;
	}
	free(in);
	resampler_free(&r);
	return out;
}

static const unsigned rates[] = {8000, 16000, 22050, 24000, 44100, 48000};

/* What is held back of an agent's format: at most 8 ms each way. */
static void test_delay(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		size_t count;
		double up, down;
		free(convert(8000, rates[i], 1000, &count, &up));
		free(convert(rates[i], 8000, 1000, &count, &down));
		print_message("8000 <-> %u Hz holds back %.2f and %.2f ms at most\n", rates[i], up, down);
		assert_true(up <= 8.0);
		assert_true(down <= 8.0);
	}
}

static void test_passband_is_flat(void **state)
{
	(void)state;
	static const double tones[] = {300, 500, 1000, 1700, 2500, 3000, 3400};
	const double expected = 20 * log10(16000 / 32767.0);
	for (size_t r = 1; r < sizeof rates / sizeof *rates; r++)
		for (size_t i = 0; i < sizeof tones / sizeof *tones; i++) {
			size_t count;
			double held;
			int16_t *up = convert(8000, rates[r], tones[i], &count, &held);
			assert_true(fabs(level_db(up + count / 4, count / 2, tones[i], rates[r]) - expected) <
				    1.0);
			free(up);
			int16_t *down = convert(rates[r], 8000, tones[i], &count, &held);
			assert_true(fabs(level_db(down + count / 4, count / 2, tones[i], 8000) - expected) <
				    1.0);
			free(down);
		}
}

/* A tone f below 4 kHz must not come back at 8 kHz - f; one above must not fold down. */
static void test_images_and_aliases(void **state)
{
	(void)state;
	static const double tones[] = {300, 1000, 2000, 3000, 3400};
	const double full = 20 * log10(16000 / 32767.0);
	for (size_t r = 1; r < sizeof rates / sizeof *rates; r++)
		for (size_t i = 0; i < sizeof tones / sizeof *tones; i++) {
			size_t count;
			double held, mirror = 8000 - tones[i];
			int16_t *up = convert(8000, rates[r], tones[i], &count, &held);
			if (mirror < rates[r] / 2.0)
				assert_true(level_db(up + count / 4, count / 2, mirror, rates[r]) <
					    full - 45);
			free(up);
			if (mirror >= rates[r] / 2.0)
				continue;
			int16_t *down = convert(rates[r], 8000, mirror, &count, &held);
			assert_true(level_db(down + count / 4, count / 2, tones[i], 8000) < full - 45);
			free(down);
		}
}

static void test_reset_forgets(void **state)
{
	(void)state;
	struct resampler *r = resampler_new(16000, 8000);
	int16_t loud[320], quiet[320] = {0}, *out = malloc(resampler_out_max(r, 320) * sizeof *out);
	for (int i = 0; i < 320; i++)
		loud[i] = 20000;
	resampler_run(r, loud, 320, out);
	resampler_reset(r);
	size_t n = resampler_run(r, quiet, 320, out);
	for (size_t i = 0; i < n; i++)
		assert_true(abs(out[i]) < 8);
	free(out);
	resampler_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_passband_is_flat),
		cmocka_unit_test(test_images_and_aliases),
		cmocka_unit_test(test_reset_forgets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
