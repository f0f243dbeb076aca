#include "callworker/audio/playout.h"

#include "callworker/audio/dtmf.h"
#include "callworker/audio/mulaw.h"
#include "lib/base/base64.h"
#include "lib/base/buffer.h"
#include "lib/base/log.h"
#include "lib/base/object.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PLAYOUT_MAGIC 0x706c6179u

enum {
	DIGITS_QUEUE = 8,
	MESSAGE_BASE64_MAX = 32000, /* a multiple of 4: messages stay under 64 kB */
	HELD_MAX = 60 * 1000 * MULAW_BYTES_PER_MS,
	MARK_PATIENCE_MS = 3000, /* beyond the time at which a mark should have come */
	TRACK_BASE64 = 1068,     /* a tenth of a second: 801 bytes */
	TRACKED_MAX = 2048,      /* marks on their way: three minutes of audio */
};

struct digits {
	char text[DTMF_DIGITS_MAX * 2];
	void (*done)(void *arg, bool played);
	void *arg;
};

enum phase {
	SPEECH, /* audio passes */
	BEFORE, /* digits wait until what is buffered was heard */
	TONES,  /* digits are being heard; audio is held */
};

struct playout {
	unsigned magic;
	struct ws_loop *loop;
	struct playout_out out;
	enum phase phase;
	struct digits queue[DIGITS_QUEUE];
	unsigned queued;
	struct buffer held; /* mu-law that waits for the digits' end */
	uint64_t overflow;  /* bytes behind it that found no room */
	unsigned marks;     /* made so far: they are numbered */
	char digits_mark[24], heard_mark[24];
	struct ws_timer digits_timer, heard_timer;
	void (*heard)(void *arg);
	void *heard_arg;
	struct mono_us end; /* when what is sent will have been played */
	uint64_t sent;
	bool muted, tracking;
	bool strange;                     /* what is no audio came: told once */
	uint64_t given, heard_given;      /* of the agent's audio: all; up to which it was heard */
	uint64_t tracked[TRACKED_MAX];    /* what of it was given when a mark was sent, by its number */
	unsigned track_first, track_next; /* numbers of the marks that wait for their echo */
};

static void next_digits(struct playout *p);

struct playout *playout_new(struct ws_loop *loop, const struct playout_out *out)
{
	struct playout *p;
	OBJ_ALLOC(p, PLAYOUT_MAGIC);
	p->loop = loop;
	p->out = *out;
	p->held.max = HELD_MAX;
	return p;
}

void playout_free(struct playout **pp)
{
	struct playout *p = *pp;
	if (p == NULL)
		return;
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	ws_timer_stop(p->loop, &p->digits_timer);
	ws_timer_stop(p->loop, &p->heard_timer);
	for (unsigned i = 0; i < p->queued; i++)
		p->queue[i].done(p->queue[i].arg, false);
	buffer_free(&p->held);
	OBJ_FREE(p);
	*pp = NULL;
}

int playout_ahead_ms(const struct playout *p)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	int64_t left = p->end.us - mono_now().us;
	return left > 0 ? (int)(left / 1000) : 0;
}

int playout_quiet_ms(const struct playout *p)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	int64_t ms = (mono_now().us - p->end.us) / 1000;
	if (p->end.us == 0 || ms > INT_MAX)
		return INT_MAX;
	return ms > 0 ? (int)ms : 0;
}

uint64_t playout_sent(const struct playout *p)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	return p->sent;
}

static void count(struct playout *p, size_t bytes)
{
	int64_t now = mono_now().us;
	if (p->end.us < now)
		p->end.us = now;
	p->end.us += (int64_t)bytes * 1000 / MULAW_BYTES_PER_MS;
	p->sent += bytes;
}

static void send_part(struct playout *p, const char *base64, size_t len, const uint8_t *mulaw, size_t bytes,
		      struct mono_us born)
{
	count(p, bytes);
	p->out.audio(p->out.arg, base64, len, mulaw, bytes, born);
}

/* A mark behind what was sent last; its number leads to what had been given by then. */
static void track(struct playout *p)
{
	char name[24];
	if (!p->tracking || p->track_next - p->track_first == TRACKED_MAX)
		return;
	p->tracked[p->track_next % TRACKED_MAX] = p->given;
	snprintf(name, sizeof name, "at:%u", p->track_next++);
	p->out.mark(p->out.arg, name);
}

/* In parts with a mark behind each, when it is to be known what was heard. */
static size_t part_max(const struct playout *p)
{
	return p->tracking ? TRACK_BASE64 : MESSAGE_BASE64_MAX;
}

/* The agent's audio. What is no base64 would be JSON of the provider's in the carrier's: it is dropped. */
static void speak_base64(struct playout *p, const char *base64, size_t len, struct mono_us born)
{
	static uint8_t mulaw[MESSAGE_BASE64_MAX / 4 * 3];
	for (size_t part; len > 0; base64 += part, len -= part) {
		part = len > part_max(p) ? part_max(p) : len;
		ssize_t bytes = base64_decode(base64, part, mulaw);
		if (bytes <= 0 || (part < len && (size_t)bytes != part / 4 * 3)) {
			if (!p->strange)
				log_warn("the agent's audio is not base64: %zu characters of it were dropped",
					 len);
			p->strange = true;
			bytes = base64_decoded_len(base64, len);
			p->given += bytes > 0 ? (uint64_t)bytes : 0;
			return;
		}
		p->given += (size_t)bytes;
		send_part(p, base64, part, mulaw, (size_t)bytes, born);
		track(p);
	}
}

static void send_bytes(struct playout *p, const uint8_t *mulaw, size_t bytes, struct mono_us born)
{
	static char base64[MESSAGE_BASE64_MAX];
	for (size_t part; bytes > 0; mulaw += part, bytes -= part) {
		part = bytes > MESSAGE_BASE64_MAX / 4 * 3 ? MESSAGE_BASE64_MAX / 4 * 3 : bytes;
		send_part(p, base64, base64_encode(mulaw, part, base64), mulaw, part, born);
	}
}

static void speak_bytes(struct playout *p, const uint8_t *mulaw, size_t bytes, struct mono_us born)
{
	for (size_t part, max = part_max(p) / 4 * 3; bytes > 0; mulaw += part, bytes -= part) {
		part = bytes > max ? max : bytes;
		p->given += part;
		send_bytes(p, mulaw, part, born);
		track(p);
	}
}

/* Audio that cannot be sent yet. */
static void hold_back(struct playout *p, const uint8_t *mulaw, size_t bytes)
{
	if (buffer_append(&p->held, mulaw, bytes))
		return;
	if (p->overflow == 0)
		log_warn("more than a minute of the agent's voice waits for digits to be played: the rest is "
			 "dropped");
	p->overflow += bytes;
}

/* What is held is not sent any more, but was given. */
static void drop_held(struct playout *p)
{
	p->given += p->held.len + p->overflow;
	p->overflow = 0;
	p->held.len = 0;
}

/* Nothing of what was given is still to be heard. */
static void forget_tracks(struct playout *p)
{
	p->track_first = p->track_next;
}

void playout_track(struct playout *p)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	p->tracking = true;
}

void playout_mute(struct playout *p, bool mute)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	p->muted = mute;
}

bool playout_is_muted(const struct playout *p)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	return p->muted;
}

uint64_t playout_heard(const struct playout *p)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	return p->heard_given;
}

uint64_t playout_given(const struct playout *p)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	return p->given;
}

void playout_aside(struct playout *p, const uint8_t *mulaw, size_t bytes)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	if (p->phase == SPEECH)
		send_bytes(p, mulaw, bytes, (struct mono_us){0});
}

void playout_bytes(struct playout *p, const uint8_t *mulaw, size_t bytes, struct mono_us born)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	if (p->muted)
		p->given += bytes;
	else if (p->phase == SPEECH)
		speak_bytes(p, mulaw, bytes, born);
	else
		hold_back(p, mulaw, bytes);
}

void playout_base64(struct playout *p, const char *base64, size_t len, struct mono_us born)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	if (p->muted) {
		ssize_t bytes = base64_decoded_len(base64, len);
		p->given += bytes > 0 ? (uint64_t)bytes : 0;
	} else if (p->phase == SPEECH) {
		speak_base64(p, base64, len, born);
	} else {
		struct buffer decoded = {0};
		buffer_reserve(&decoded, len / 4 * 3 + 3);
		ssize_t bytes = base64_decode(base64, len, decoded.data);
		if (bytes > 0)
			hold_back(p, decoded.data, (size_t)bytes);
		buffer_free(&decoded);
	}
}

void playout_clear(struct playout *p)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	drop_held(p);
	forget_tracks(p); /* their echoes will tell of a clearing, not of an ear */
	if (p->phase == TONES)
		return; /* half a number would be worse than a moment's patience */
	p->out.clear(p->out.arg);
	p->end.us = 0;
}

/* Sends a mark; its name is kept in `name`, and the timer stands in for a lost echo. */
static void send_mark(struct playout *p, const char *kind, char name[24], struct ws_timer *timer,
		      void (*late)(void *arg))
{
	snprintf(name, 24, "%s:%u", kind, ++p->marks);
	p->out.mark(p->out.arg, name);
	ws_timer_start(p->loop, timer, playout_ahead_ms(p) + MARK_PATIENCE_MS, late, p);
}

static void end_digits(struct playout *p)
{
	struct digits first = p->queue[0];
	memmove(p->queue, p->queue + 1, --p->queued * sizeof *p->queue);
	first.done(first.arg, true);
	if (p->queued > 0) {
		p->phase = BEFORE;
		next_digits(p);
		return;
	}
	p->phase = SPEECH;
	speak_bytes(p, p->held.data, p->held.len, (struct mono_us){0});
	p->held.len = 0;
	drop_held(p);
	buffer_free(&p->held);
	/* Somebody waits for the end of what has just been let go. */
	if (p->heard_mark[0] != '\0')
		playout_when_heard(p, p->heard, p->heard_arg);
}

/* One step further with the digits: the mark that was waited for has come, or is overdue. */
static void on_digits_step(void *arg)
{
	struct playout *p = arg;
	ws_timer_stop(p->loop, &p->digits_timer);
	p->digits_mark[0] = '\0';
	if (p->phase == TONES) {
		end_digits(p);
		return;
	}
	struct buffer tones = {0};
	dtmf_render(p->queue[0].text, &tones);
	p->phase = TONES;
	send_bytes(p, tones.data, tones.len, (struct mono_us){0});
	buffer_free(&tones);
	send_mark(p, "digits", p->digits_mark, &p->digits_timer, on_digits_step);
}

static void next_digits(struct playout *p)
{
	send_mark(p, "before", p->digits_mark, &p->digits_timer, on_digits_step);
}

bool playout_digits(struct playout *p, const char *digits, void (*done)(void *arg, bool played), void *arg)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	if (p->queued == DIGITS_QUEUE || strlen(digits) >= sizeof p->queue[0].text)
		return false;
	struct digits *d = &p->queue[p->queued++];
	snprintf(d->text, sizeof d->text, "%s", digits);
	d->done = done;
	d->arg = arg;
	if (p->phase == SPEECH) {
		p->phase = BEFORE;
		next_digits(p);
	}
	return true;
}

static void on_heard(void *arg)
{
	struct playout *p = arg;
	ws_timer_stop(p->loop, &p->heard_timer);
	p->heard_mark[0] = '\0';
	p->heard(p->heard_arg);
}

void playout_when_heard(struct playout *p, void (*fn)(void *arg), void *arg)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	p->heard = fn;
	p->heard_arg = arg;
	send_mark(p, "heard", p->heard_mark, &p->heard_timer, on_heard);
}

static bool is_waited_for(const char *mark, const char *name)
{
	return mark[0] != '\0' && strcmp(mark, name) == 0;
}

void playout_marked(struct playout *p, const char *name)
{
	OBJ_CHECK(p, PLAYOUT_MAGIC);
	unsigned number;
	if (sscanf(name, "at:%u", &number) == 1) {
		/* One that was forgotten was dropped by a clear. */
		if (number - p->track_first < p->track_next - p->track_first) {
			p->heard_given = p->tracked[number % TRACKED_MAX];
			p->track_first = number + 1;
		}
	} else if (is_waited_for(p->digits_mark, name)) {
		on_digits_step(p);
	} else if (is_waited_for(p->heard_mark, name) && p->phase == SPEECH) {
		on_heard(p);
	}
}
