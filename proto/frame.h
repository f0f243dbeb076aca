/*
 * Frames on the wire: a header of 16 bytes (payload length u32, type u16,
 * flags u16, id u64, little-endian), then one JSON object. PROTOCOL.md beside
 * this file tells it whole. No loop and no waiting here.
 */
#ifndef PHONY_PROTO_FRAME_H
#define PHONY_PROTO_FRAME_H

#include "lib/base/buffer.h"
#include "proto/messages.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { FRAME_HEADER_LEN = 16, FRAME_PAYLOAD_MAX = 1024 * 1024 };

enum frame_flag {
	FRAME_REPLY = 1, /* answers the question with this id */
	FRAME_ERROR = 2, /* with FRAME_REPLY: {code, message, httpStatus} */
	FRAME_FD = 4,    /* a descriptor travels with the header */
};

struct frame {
	uint16_t type; /* enum message */
	uint16_t flags;
	uint64_t id; /* of the question; 0 in events */
	json_t *body;
};

enum frame_result { FRAME_WHOLE, FRAME_PARTIAL, FRAME_BROKEN };

/* Appends the frame's bytes to b; false when the body is over FRAME_PAYLOAD_MAX. */
bool frame_encode(struct buffer *b, const struct frame *f);

/*
 * Takes one frame off the front of b. FRAME_WHOLE: *f is filled, its body owned
 * by the caller. FRAME_BROKEN: `why` says what is wrong with the stream.
 */
enum frame_result frame_decode(struct buffer *b, struct frame *f, char *why, size_t why_size);

/* "EVENT", or "?" for a number that is no message. */
const char *message_name(unsigned type);
const char *role_name(enum role role);
/* By name, for the hello; 0 when there is none. */
enum role role_by_name(const char *name);

/* Whether `from` may send this type to `to`, as an answer or not, with a descriptor or not. */
bool message_allowed(const struct frame *f, enum role from, enum role to);
bool message_asks(unsigned type);
/* Whether a descriptor travels with it. */
bool message_carries(unsigned type);
/* Whether a process of this version, which we still understand, understands the message. */
bool message_known(unsigned type, unsigned version);

#endif
