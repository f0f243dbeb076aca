#include "callworker/audio/transcode.h"

#include "callworker/audio/mulaw.h"
#include "callworker/audio/resample.h"
#include "lib/base/base64.h"
#include "lib/base/buffer.h"
#include "lib/base/object.h"

#include <string.h>

#define LANE_MAGIC 0x6c616e65u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "PCM is sent in native order");

struct lane {
	unsigned magic;
	struct audio_format from, to;
	struct resampler *resampler;
	struct buffer in, linear, out, codes;
	bool odd; /* in.data[0] is half a sample */
};

struct lane *lane_new(struct audio_format from, struct audio_format to)
{
	struct lane *l;
	OBJ_ALLOC(l, LANE_MAGIC);
	l->from = from;
	l->to = to;
	if (lane_is_open(l))
		return l;
	l->resampler = resampler_new(from.rate_hz, to.rate_hz);
	if (l->resampler == NULL)
		lane_free(&l);
	return l;
}

void lane_free(struct lane **ll)
{
	struct lane *l = *ll;
	if (l == NULL)
		return;
	OBJ_CHECK(l, LANE_MAGIC);
	resampler_free(&l->resampler);
	buffer_free(&l->in);
	buffer_free(&l->linear);
	buffer_free(&l->out);
	buffer_free(&l->codes);
	OBJ_FREE(l);
	*ll = NULL;
}

bool lane_is_open(const struct lane *l)
{
	OBJ_CHECK(l, LANE_MAGIC);
	return l->from.mulaw == l->to.mulaw && l->from.rate_hz == l->to.rate_hz;
}

void lane_reset(struct lane *l)
{
	OBJ_CHECK(l, LANE_MAGIC);
	l->odd = false;
	if (l->resampler != NULL)
		resampler_reset(l->resampler);
}

/* The decoded bytes as linear samples; returns how many. */
static size_t to_linear(struct lane *l, size_t bytes, const int16_t **samples)
{
	if (l->from.mulaw) {
		l->linear.len = 0;
		buffer_reserve(&l->linear, bytes * sizeof(int16_t));
		mulaw_decode(l->in.data, bytes, (int16_t *)l->linear.data);
		*samples = (int16_t *)l->linear.data;
		return bytes;
	}
	*samples = (int16_t *)l->in.data; /* malloc'ed, so aligned */
	return bytes / sizeof(int16_t);
}

bool lane_convert(struct lane *l, const char *base64, size_t len, const uint8_t **bytes, size_t *count)
{
	OBJ_CHECK(l, LANE_MAGIC);
	size_t before = l->odd ? 1 : 0;
	l->in.len = before;
	buffer_reserve(&l->in, len / 4 * 3 + 1);
	ssize_t decoded = base64_decode(base64, len, l->in.data + before);
	if (decoded < 0)
		return false;
	size_t total = before + (size_t)decoded;
	if (lane_is_open(l)) {
		*bytes = l->in.data;
		*count = total;
		return true;
	}
	const int16_t *samples;
	size_t in_count = to_linear(l, total, &samples);
	l->out.len = 0;
	buffer_reserve(&l->out, resampler_out_max(l->resampler, in_count) * sizeof(int16_t));
	size_t out_count = resampler_run(l->resampler, samples, in_count, (int16_t *)l->out.data);
	l->odd = !l->from.mulaw && total % 2 != 0;
	if (l->odd)
		l->in.data[0] = l->in.data[total - 1];
	*bytes = l->out.data;
	*count = out_count * sizeof(int16_t);
	if (l->to.mulaw) {
		l->codes.len = 0;
		buffer_reserve(&l->codes, out_count);
		mulaw_encode((int16_t *)l->out.data, out_count, l->codes.data);
		*bytes = l->codes.data;
		*count = out_count;
	}
	return true;
}
