#include "callworker/control/metrics.h"

#include "lib/base/json_build.h"

enum {
	UTTERANCE_GAP_MS =
		200, /* nothing was played for so long: no late part of the utterance before follows */
	INTERRUPTED_MS = 3000, /* from the words that interrupt to the notice of it, at most */
};

void figures_stream_started(struct figures *f)
{
	f->start = mono_now();
}

static void answered(struct figures *f, struct mono_us at)
{
	int64_t us = at.us - f->asked.us;
	f->asked.us = 0;
	f->response_us = us > 0 ? us : 1;
	latency_add(&f->response, f->response_us);
}

enum vad_change figures_heard(struct figures *f, const uint8_t *mulaw, size_t count, int quiet_ms)
{
	f->frames_in++;
	f->bytes_in += count;
	enum vad_change change = vad_feed(&f->vad, mulaw, count);
	if (change == VAD_BEGAN) {
		f->asked.us = f->early.us = 0;
	} else if (change == VAD_ENDED) {
		bool early = f->early.us > 0 && f->early.us >= f->vad.last_loud.us;
		if (early || quiet_ms >= UTTERANCE_GAP_MS)
			f->asked = f->vad.last_loud;
		if (early)
			answered(f, f->early);
		f->early.us = 0;
	}
	return change;
}

void figures_spoke(struct figures *f, int quiet_ms)
{
	struct mono_us now = mono_now();
	if (f->first_audio.us == 0)
		f->first_audio = now;
	if (quiet_ms < UTTERANCE_GAP_MS)
		return;
	if (f->asked.us > 0)
		answered(f, now);
	else if (f->vad.speaking && f->vad.quiet_ms > 0)
		f->early = now; /* an agent may be quicker than our notice of the end */
}

int64_t figures_response_ms(struct figures *f)
{
	int64_t us = f->response_us;
	f->response_us = 0;
	return us > 0 ? us / 1000 : -1;
}

void figures_interrupted(struct figures *f, struct mono_us born)
{
	latency_add(&f->barge_in, mono_now().us - born.us);
	f->interruptions++;
	if (!f->vad.speaking && mono_now().us - f->vad.last_loud.us < INTERRUPTED_MS * 1000)
		f->asked = f->vad.last_loud;
}

static json_t *percentiles(const struct latency *l)
{
	return json_build("{s:I, s:I, s:I, s:I}", "count", (json_int_t)l->total, "p50",
			  (json_int_t)latency_percentile(l, 0.5), "p99",
			  (json_int_t)latency_percentile(l, 0.99), "max", (json_int_t)l->max_us);
}

json_t *figures_json(const struct figures *f, uint64_t bytes_out)
{
	int64_t first = f->first_audio.us ? f->first_audio.us - f->start.us : -1;
	return json_build("{s:I, s:I, s:I, s:i, s:I, s:o, s:o, s:o, s:o}", "framesFromCaller",
			  (json_int_t)f->frames_in, "bytesFromCaller", (json_int_t)f->bytes_in,
			  "bytesToCaller", (json_int_t)bytes_out, "interruptions", (int)f->interruptions,
			  "firstAudioUs", (json_int_t)first, "responseUs", percentiles(&f->response),
			  "delayToAgentUs", percentiles(&f->delay_up), "delayToCallerUs",
			  percentiles(&f->delay_down), "bargeInUs", percentiles(&f->barge_in));
}
