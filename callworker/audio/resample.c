/*
 * libsoxr's stock recipes hold back 60 to 230 ms, since their filters run on
 * large DFT blocks. The settings below hold back 7.3 ms at most: minimum phase,
 * both DFT sizes 2^8, and for each pair of rates the precision and the band
 * edges at which a search found the least delay with 3400 Hz within 0.6 dB and
 * images and aliases 50 dB down. The phase flag belongs in the recipe; as the
 * second argument the same bits mean double precision and a variable rate.
 */
#include "callworker/audio/resample.h"

#include "lib/base/buffer.h"
#include "lib/base/object.h"

#include <soxr.h>
#include <string.h>

#define RESAMPLER_MAGIC 0x72736d70u

enum { BLOCK_SAMPLES = 4096 }; /* more than a DFT block may come out at once */

struct tuning {
	unsigned in_hz, out_hz;
	double precision, passband_end, stopband_begin;
	unsigned via_hz; /* a last step from this rate by cubic interpolation; 0: none */
};

static const struct tuning tunings[] = {
	{8000, 16000, 16, 0.84, 1.02, 0},
	{16000, 8000, 16, 0.84, 1.02, 0},
	{8000, 22050, 15, 0.82, 1.00, 0},
	{22050, 8000, 15, 0.80, 1.05, 0},
	{8000, 24000, 16, 0.78, 1.05, 0},
	{24000, 8000, 16, 0.78, 1.05, 0},
	/* No setting of one step stays under 9 ms; 48 kHz is smooth enough to interpolate. */
	{8000, 44100, 18, 0.82, 1.15, 48000},
	{44100, 8000, 15, 0.78, 1.05, 0},
	{8000, 48000, 18, 0.82, 1.15, 0},
	{48000, 8000, 15, 0.86, 1.14, 0},
};

struct resampler {
	unsigned magic;
	soxr_t main, last; /* NULL: no such step */
	double ratio;
	struct buffer between;
};

static soxr_t new_step(unsigned in_hz, unsigned out_hz, const soxr_quality_spec_t *quality)
{
	soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
	runtime.log2_min_dft_size = runtime.log2_large_dft_size = 8;
	soxr_io_spec_t io = soxr_io_spec(SOXR_INT16_I, SOXR_INT16_I);
	io.flags = SOXR_NO_DITHER;
	soxr_error_t error = NULL;
	soxr_t step = soxr_create(in_hz, out_hz, 1, &error, &io, quality, &runtime);
	return error == NULL ? step : NULL;
}

static const struct tuning *find_tuning(unsigned in_hz, unsigned out_hz)
{
	for (size_t i = 0; i < sizeof tunings / sizeof *tunings; i++)
		if (tunings[i].in_hz == in_hz && tunings[i].out_hz == out_hz)
			return &tunings[i];
	return NULL;
}

struct resampler *resampler_new(unsigned in_hz, unsigned out_hz)
{
	struct resampler *r;
	OBJ_ALLOC(r, RESAMPLER_MAGIC);
	r->ratio = (double)out_hz / in_hz;
	if (in_hz == out_hz)
		return r;
	const struct tuning *t = find_tuning(in_hz, out_hz);
	if (t == NULL) {
		resampler_free(&r);
		return NULL;
	}
	soxr_quality_spec_t quality = soxr_quality_spec(SOXR_LQ | SOXR_MINIMUM_PHASE, 0);
	quality.precision = t->precision;
	quality.passband_end = t->passband_end;
	quality.stopband_begin = t->stopband_begin;
	r->main = new_step(in_hz, t->via_hz ? t->via_hz : out_hz, &quality);
	if (t->via_hz != 0) {
		soxr_quality_spec_t cubic = soxr_quality_spec(SOXR_QQ, 0);
		r->last = new_step(t->via_hz, out_hz, &cubic);
	}
	if (r->main == NULL || (t->via_hz != 0 && r->last == NULL))
		resampler_free(&r);
	return r;
}

void resampler_free(struct resampler **rr)
{
	struct resampler *r = *rr;
	if (r == NULL)
		return;
	OBJ_CHECK(r, RESAMPLER_MAGIC);
	if (r->main != NULL)
		soxr_delete(r->main);
	if (r->last != NULL)
		soxr_delete(r->last);
	buffer_free(&r->between);
	OBJ_FREE(r);
	*rr = NULL;
}

size_t resampler_out_max(const struct resampler *r, size_t count)
{
	OBJ_CHECK(r, RESAMPLER_MAGIC);
	return (size_t)((double)count * r->ratio) + BLOCK_SAMPLES;
}

/* Puts all of in through one step; returns what came out. */
static size_t run_step(soxr_t step, const int16_t *in, size_t count, int16_t *out, size_t room)
{
	size_t done = 0, written = 0, total = 0;
	do {
		soxr_error_t error =
			soxr_process(step, in, count, &done, out + total, room - total, &written);
		if (error != NULL)
			panic("libsoxr: %s", error);
		in += done;
		count -= done;
		total += written;
	} while (count > 0 && (done > 0 || written > 0));
	return total;
}

size_t resampler_run(struct resampler *r, const int16_t *in, size_t count, int16_t *out)
{
	OBJ_CHECK(r, RESAMPLER_MAGIC);
	size_t room = resampler_out_max(r, count);
	if (r->main == NULL) {
		memcpy(out, in, count * sizeof *in);
		return count;
	}
	if (r->last == NULL)
		return run_step(r->main, in, count, out, room);
	size_t middle = room * 2;
	r->between.len = 0;
	buffer_reserve(&r->between, middle * sizeof *out);
	int16_t *between = (int16_t *)r->between.data;
	return run_step(r->last, between, run_step(r->main, in, count, between, middle), out, room);
}

void resampler_reset(struct resampler *r)
{
	OBJ_CHECK(r, RESAMPLER_MAGIC);
	if (r->main != NULL)
		soxr_clear(r->main);
	if (r->last != NULL)
		soxr_clear(r->last);
}
