#include "callworker/figures.h"

#include "lib/base/json_build.h"

void figures_stream_started(struct figures *f)
{
	f->start = mono_now();
}

enum vad_change figures_heard(struct figures *f, const uint8_t *mulaw, size_t count)
{
	f->frames_in++;
	f->bytes_in += count;
	enum vad_change change = vad_feed(&f->vad, mulaw, count);
	if (change == VAD_ENDED)
		f->asked = f->vad.last_loud;
	return change;
}

int64_t figures_spoke(struct figures *f)
{
	struct mono_us now = mono_now();
	if (f->first_audio.us == 0)
		f->first_audio = now;
	/* An agent may be quicker than our notice of the end. */
	struct mono_us asked = f->asked;
	if (asked.us == 0 && f->vad.speaking && f->vad.quiet_ms > 0)
		asked = f->vad.last_loud;
	f->asked.us = 0;
	if (asked.us == 0)
		return -1;
	latency_add(&f->response, now.us - asked.us);
	return (now.us - asked.us) / 1000;
}

void figures_interrupted(struct figures *f, struct mono_us born)
{
	latency_add(&f->barge_in, mono_now().us - born.us);
	f->interruptions++;
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
