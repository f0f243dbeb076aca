/*
 * Twilio Media Streams, one bidirectional stream
 * (www.twilio.com/docs/voice/media-streams/websocket-messages). Strict about
 * the order connected, start, media; other events and members are ignored. Media
 * comes all the time, silence too: a stream without any for 5 s is dead, though its
 * connection may not know it yet.
 */
#ifndef PHONY_CALLWORKER_NET_TWILIO_STREAM_H
#define PHONY_CALLWORKER_NET_TWILIO_STREAM_H

#include "callworker/net/websocket.h"

#include <stdint.h>

struct twilio_stream;

/* 20 ms of the person's voice, mostly. Borrowed. */
struct media {
	const char *base64; /* that was decoded, and so is nothing else */
	size_t len;
	const uint8_t *mulaw; /* what it holds */
	size_t count;
	int64_t ms; /* since the stream began */
	struct mono_us born;
};

struct twilio_stream_handler {
	void (*started)(void *arg, const char *stream_sid, const char *call_sid);
	void (*media)(void *arg, const struct media *m);
	void (*digit)(void *arg, char digit);
	void (*marked)(void *arg, const char *name);
	/* The other side broke the protocol; the owner closes, when it has told of it. */
	void (*broken)(void *arg, const char *why);
	/*
	 * The stream has ended. fault is NULL if cleanly: after `stop`, or by our own
	 * close. cut: the connection broke, or nothing came any more; else the other side
	 * broke the protocol.
	 */
	void (*ended)(void *arg, const char *fault, bool cut);
};

/* Takes over the connection (fd), its upgrade request unread. */
struct twilio_stream *twilio_stream_new(struct ws_loop *loop, int fd, const struct twilio_stream_handler *h,
					void *arg);
void twilio_stream_free(struct twilio_stream **s);

/* Before `start` these do nothing: there is no streamSid yet. */
void twilio_stream_audio(struct twilio_stream *s, const char *base64, size_t len, struct mono_us born);
void twilio_stream_mark(struct twilio_stream *s, const char *name);
void twilio_stream_clear(struct twilio_stream *s);

/* Closes with 1000: Twilio goes on with the next verb. ended() follows. */
void twilio_stream_close(struct twilio_stream *s);

int twilio_stream_fd(const struct twilio_stream *s);
const struct latency *twilio_stream_delays(const struct twilio_stream *s);

#endif
