/*
 * What the caller hears: audio to the carrier's buffer, marks that tell what
 * has been played, the clearing of the buffer, and digits, which are played
 * with nothing else beside them.
 */
#ifndef PHONY_CALLWORKER_AUDIO_PLAYOUT_H
#define PHONY_CALLWORKER_AUDIO_PLAYOUT_H

#include "callworker/net/websocket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct playout;

/* How the playout speaks to the carrier; see callworker/net/twilio_stream.h. */
struct playout_out {
	/* base64 that was decoded, and so is nothing else, and the mu-law in it. */
	void (*audio)(void *arg, const char *base64, size_t len, const uint8_t *mulaw, size_t count,
		      struct mono_us born);
	void (*mark)(void *arg, const char *name);
	void (*clear)(void *arg);
	void *arg;
};

struct playout *playout_new(struct ws_loop *loop, const struct playout_out *out);
void playout_free(struct playout **p);

/*
 * The agent's audio as mu-law bytes, or as their base64, which is passed on as it
 * is once it has proved to be nothing else. Held while digits play, up to a minute;
 * dropped (but counted as given) beyond that, and while it is muted.
 */
void playout_bytes(struct playout *p, const uint8_t *mulaw, size_t count, struct mono_us born);
void playout_base64(struct playout *p, const char *base64, size_t len, struct mono_us born);

/* Whether the agent's audio is dropped. */
void playout_mute(struct playout *p, bool mute);
bool playout_is_muted(const struct playout *p);
/* Audio of our own, mu-law: hold music. */
void playout_aside(struct playout *p, const uint8_t *mulaw, size_t count);

/* From now on marks tell, to a tenth of a second, how much of the agent's audio was heard. */
void playout_track(struct playout *p);
/* Of all bytes that the agent ever gave, how many were heard before what is still to come. */
uint64_t playout_heard(const struct playout *p);
/* All bytes that the agent ever gave. */
uint64_t playout_given(const struct playout *p);

/* The person interrupts: drops everything but digits being played. */
void playout_clear(struct playout *p);

/*
 * Plays digits (already checked) once what is buffered was heard; done(arg, true)
 * is called when they were played, done(arg, false) when the call ends before.
 * False: too many wait, and done is not called.
 */
bool playout_digits(struct playout *p, const char *digits, void (*done)(void *arg, bool played), void *arg);

/*
 * fn(arg) once everything sent so far was heard. A later call replaces an earlier
 * one: the only user is the state of the call (callworker/call/call_state.h).
 */
void playout_when_heard(struct playout *p, void (*fn)(void *arg), void *arg);

/* The carrier echoed a mark. */
void playout_marked(struct playout *p, const char *name);

/* Milliseconds of audio ahead of the caller's ear, by the clock. */
int playout_ahead_ms(const struct playout *p);
/* So long nothing has been played, in ms; INT_MAX: never, or since it was cleared. */
int playout_quiet_ms(const struct playout *p);
/* Total mu-law bytes sent. */
uint64_t playout_sent(const struct playout *p);

#endif
