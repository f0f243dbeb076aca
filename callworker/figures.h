/*
 * The numbers of a call: how fast it was answered, how fast the agent answers,
 * how much went in and out.
 */
#ifndef PHONY_FIGURES_H
#define PHONY_FIGURES_H

#include "callworker/latency.h"
#include "callworker/vad.h"

#include <jansson.h>

/* Zero-initialise. */
struct figures {
	struct vad vad;                    /* the caller's voice */
	struct mono_us start, first_audio; /* of the stream; of the agent's first word */
	struct mono_us asked;              /* when the caller ended; 0: the agent has answered */
	uint64_t frames_in, bytes_in;
	unsigned interruptions;
	struct latency barge_in, response;
	struct latency delay_up, delay_down; /* copied when a socket goes */
};

void figures_stream_started(struct figures *f);
/* Decoded mu-law of the caller; whether they began to speak, or ended. */
enum vad_change figures_heard(struct figures *f, const uint8_t *mulaw, size_t count);
/* The agent's audio goes out: ms since the caller's last word, or -1 when this is no answer. */
int64_t figures_spoke(struct figures *f);
void figures_interrupted(struct figures *f, struct mono_us born);

/* As the event stream-ended has them; bytes_out: what was sent to the caller. */
json_t *figures_json(const struct figures *f, uint64_t bytes_out);

#endif
