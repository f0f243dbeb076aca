/*
 * The numbers of a call: how fast it was answered, how fast the agent answers,
 * how much went in and out.
 */
#ifndef PHONY_CALLWORKER_CONTROL_METRICS_H
#define PHONY_CALLWORKER_CONTROL_METRICS_H

#include "callworker/audio/vad.h"
#include "callworker/net/latency.h"

#include <jansson.h>

/* Zero-initialise. */
struct figures {
	struct vad vad;                    /* the caller's voice */
	struct mono_us start, first_audio; /* of the stream; of the agent's first word */
	struct mono_us asked;              /* when the caller's turn ended; 0: it was answered, or was none */
	struct mono_us early;              /* the agent's answer, in a gap that may be the turn's end */
	int64_t response_us;               /* of a turn that was answered, not told yet; 0: none */
	uint64_t frames_in, bytes_in;
	unsigned interruptions;
	struct latency barge_in, response;
	struct latency delay_up, delay_down; /* copied when a socket goes */
};

void figures_stream_started(struct figures *f);
/*
 * Decoded mu-law of the caller; whether they began to speak, or ended. quiet_ms:
 * see playout_quiet_ms. Words that end while the agent speaks are no turn.
 */
enum vad_change figures_heard(struct figures *f, const uint8_t *mulaw, size_t count, int quiet_ms);
/* The agent's audio goes out; before it nothing was played for quiet_ms. */
void figures_spoke(struct figures *f, int quiet_ms);
/*
 * Once a turn: from the end of the caller's speech to the first audio of a new
 * utterance, in ms; -1 when there is nothing to tell.
 */
int64_t figures_response_ms(struct figures *f);
/* What the caller says is a turn of its own after all. */
void figures_interrupted(struct figures *f, struct mono_us born);

/* As the event stream-ended has them; bytes_out: what was sent to the caller. */
json_t *figures_json(const struct figures *f, uint64_t bytes_out);

#endif
