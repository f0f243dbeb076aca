#include "callworker/audio/recorder.h"

#include "callworker/audio/mulaw.h"
#include "lib/base/buffer.h"
#include "lib/base/fd.h"
#include "lib/base/log.h"
#include "lib/base/object.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#define RECORDER_MAGIC 0x72656364u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "WAV is little-endian");

enum {
	RATE = MULAW_RATE_HZ,
	FRAME_BYTES = 4, /* a sample of each side */
	HEADER = 44,
	FLUSH = RATE / 2,             /* samples gathered before they are written */
	QUEUED_MAX = 8 * 1024 * 1024, /* that wait for a disk that hangs: four minutes */
	GAP_MAX = 60 * RATE,          /* of the caller's timestamps */
	AHEAD_MAX = 600 * RATE,       /* what the carrier buffers */
	DISK_PATIENCE_S = 10,         /* at the end */
};

struct block {
	STAILQ_ENTRY(block) next;
	int64_t at; /* sample */
	size_t count;
	int16_t samples[];
};

struct recorder {
	unsigned magic;
	int fd;
	int64_t base;              /* where the stream begins, in samples of the file */
	int64_t flushed;           /* up to here the file is written, or about to be */
	int64_t now;               /* the caller's last sample */
	struct buffer left, right; /* mu-law from `flushed` on; right reaches into the future */
	bool ended, lossy;
	/* shared with the writer */
	pthread_t thread;
	bool failing; /* the writer's: told once */
	pthread_mutex_t lock;
	pthread_cond_t more;
	STAILQ_HEAD(, block) blocks;
	size_t queued;
	bool ending;
};

/* A WAV file's head, of a file with so many samples on each side. */
static void make_header(unsigned char h[HEADER], int64_t samples)
{
	const uint32_t data = (uint32_t)(samples * FRAME_BYTES), riff = data + HEADER - 8, rate = RATE,
		       second = RATE * FRAME_BYTES, format = 16;
	const uint16_t pcm = 1, channels = 2, frame = FRAME_BYTES, bits = 16;
	memcpy(h, "RIFF", 4);
	memcpy(h + 4, &riff, 4);
	memcpy(h + 8, "WAVEfmt ", 8);
	memcpy(h + 16, &format, 4);
	memcpy(h + 20, &pcm, 2);
	memcpy(h + 22, &channels, 2);
	memcpy(h + 24, &rate, 4);
	memcpy(h + 28, &second, 4);
	memcpy(h + 32, &frame, 2);
	memcpy(h + 34, &bits, 2);
	memcpy(h + 36, "data", 4);
	memcpy(h + 40, &data, 4);
}

static bool write_at(int fd, const void *bytes, size_t len, off_t at)
{
	return pwrite(fd, bytes, len, at) == (ssize_t)len;
}

static void write_block(struct recorder *r, const struct block *b)
{
	unsigned char header[HEADER];
	make_header(header, b->at + (int64_t)b->count);
	if (!write_at(r->fd, b->samples, b->count * FRAME_BYTES, (off_t)(HEADER + b->at * FRAME_BYTES)) ||
	    !write_at(r->fd, header, sizeof header, 0)) {
		if (!r->failing)
			log_error("the recording cannot be written: %s", strerror(errno));
		r->failing = true;
	} else {
		r->failing = false;
	}
}

static void *write_all(void *arg)
{
	struct recorder *r = arg;
	struct block *b;
	pthread_mutex_lock(&r->lock);
	for (;;) {
		while ((b = STAILQ_FIRST(&r->blocks)) == NULL && !r->ending)
			pthread_cond_wait(&r->more, &r->lock);
		if (b == NULL)
			break;
		STAILQ_REMOVE_HEAD(&r->blocks, next);
		r->queued -= b->count * FRAME_BYTES;
		pthread_mutex_unlock(&r->lock);
		write_block(r, b);
		free(b);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

struct recorder *recorder_new(int fd, int64_t from_ms)
{
	struct recorder *r;
	OBJ_ALLOC(r, RECORDER_MAGIC);
	r->fd = fd;
	r->base = r->flushed = r->now = from_ms * MULAW_BYTES_PER_MS;
	r->right.max = AHEAD_MAX;
	STAILQ_INIT(&r->blocks);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->more, NULL);
	if (pthread_create(&r->thread, NULL, write_all, r) != 0)
		panic("no thread can be started");
	return r;
}

static void enqueue(struct recorder *r, struct block *b)
{
	pthread_mutex_lock(&r->lock);
	bool room = r->queued + b->count * FRAME_BYTES <= QUEUED_MAX;
	if (room) {
		STAILQ_INSERT_TAIL(&r->blocks, b, next);
		r->queued += b->count * FRAME_BYTES;
		pthread_cond_signal(&r->more);
	} else {
		free(b);
	}
	pthread_mutex_unlock(&r->lock);
	if (!room && !r->lossy)
		log_error("the disk does not take the recording: parts of it are left out");
	r->lossy = !room;
}

/* One side of a block, silence where there is nothing. */
static void side(struct buffer *mulaw, int16_t *out, size_t count)
{
	size_t have = mulaw->len < count ? mulaw->len : count;
	for (size_t i = 0; i < count; i++) {
		if (i < have)
			mulaw_decode(mulaw->data + i, 1, out + 2 * i);
		else
			out[2 * i] = 0;
	}
	buffer_consume(mulaw, have);
}

static void flush(struct recorder *r)
{
	size_t count = (size_t)(r->now - r->flushed);
	if (count == 0)
		return;
	struct block *b = xcalloc(1, sizeof *b + count * FRAME_BYTES);
	b->at = r->flushed;
	b->count = count;
	side(&r->left, b->samples, count);
	side(&r->right, b->samples + 1, count);
	r->flushed = r->now;
	enqueue(r, b);
}

void recorder_end(struct recorder *r)
{
	OBJ_CHECK(r, RECORDER_MAGIC);
	if (r->ended)
		return;
	r->ended = true;
	flush(r);
	pthread_mutex_lock(&r->lock);
	r->ending = true;
	pthread_cond_signal(&r->more);
	pthread_mutex_unlock(&r->lock);
}

void recorder_free(struct recorder **rr)
{
	struct recorder *r = *rr;
	struct timespec until;
	if (r == NULL)
		return;
	recorder_end(r);
	*rr = NULL;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DISK_PATIENCE_S;
	if (pthread_timedjoin_np(r->thread, NULL, &until) != 0) {
		log_error("the disk does not take the recording: its end is left out");
		return; /* the writer still uses it; the process ends */
	}
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->more);
	buffer_free(&r->left);
	buffer_free(&r->right);
	fd_close(&r->fd);
	OBJ_FREE(r);
}

/* Silence, so that the side reaches up to this sample. */
static void pad(struct recorder *r, struct buffer *mulaw, int64_t at)
{
	int64_t missing = at - r->flushed - (int64_t)mulaw->len;
	if (missing <= 0 || !buffer_reserve(mulaw, (size_t)missing))
		return;
	memset(mulaw->data + mulaw->len, MULAW_SILENCE, (size_t)missing);
	mulaw->len += (size_t)missing;
}

void recorder_caller(struct recorder *r, const uint8_t *mulaw, size_t count, int64_t ms)
{
	OBJ_CHECK(r, RECORDER_MAGIC);
	if (r->ended)
		return;
	int64_t at = r->base + ms * MULAW_BYTES_PER_MS;
	/* The timestamp tells of gaps; one that cannot be is passed over. */
	if (at < r->now || at > r->now + GAP_MAX)
		at = r->now;
	pad(r, &r->left, at);
	buffer_append(&r->left, mulaw, count);
	r->now = at + (int64_t)count;
	if (r->now - r->flushed >= FLUSH)
		flush(r);
}

void recorder_agent(struct recorder *r, const uint8_t *mulaw, size_t count)
{
	OBJ_CHECK(r, RECORDER_MAGIC);
	if (r->ended)
		return;
	pad(r, &r->right, r->now);
	buffer_append(&r->right, mulaw, count);
}

void recorder_cleared(struct recorder *r)
{
	OBJ_CHECK(r, RECORDER_MAGIC);
	if (r->ended)
		return;
	size_t heard = (size_t)(r->now - r->flushed);
	if (r->right.len > heard)
		r->right.len = heard;
}
