#include "mcpd/transport/http_events.h"

#include "lib/base/object.h"
#include "lib/base/panic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define EVENTS_MAGIC 0x6d657674u

/* What is kept of a session: the oldest go first, the last one never does. */
enum { KEPT_MAX = 256, KEPT_BYTES_MAX = 1024 * 1024, ID_SIZE = 24 };

struct kept {
	STAILQ_ENTRY(kept) next;
	struct http_event_id id;
	size_t len;
	char *text;
};

struct http_events {
	unsigned magic;
	unsigned last; /* the last event's number */
	unsigned count;
	size_t bytes;
	STAILQ_HEAD(, kept) kept;
};

static void send_event(struct http_request *request, struct http_event_id id, const char *name,
		       const char *text)
{
	char line[ID_SIZE];
	snprintf(line, sizeof line, "%u-%u", id.stream, id.number);
	http_stream_event(request, line, name, text);
}

static void forget_oldest(struct http_events *e)
{
	struct kept *k = STAILQ_FIRST(&e->kept);
	STAILQ_REMOVE_HEAD(&e->kept, next);
	e->count--;
	e->bytes -= k->len;
	free(k->text);
	free(k);
}

static void keep(struct http_events *e, struct http_event_id id, const char *text)
{
	struct kept *k = xcalloc(1, sizeof *k);
	k->id = id;
	k->text = xstrdup(text);
	k->len = strlen(text);
	STAILQ_INSERT_TAIL(&e->kept, k, next);
	e->count++;
	e->bytes += k->len;
	while (e->count > 1 && (e->count > KEPT_MAX || e->bytes > KEPT_BYTES_MAX))
		forget_oldest(e);
}

void http_events_begin(struct http_events *e, unsigned stream, struct http_request *request)
{
	OBJ_CHECK(e, EVENTS_MAGIC);
	send_event(request, (struct http_event_id){stream, ++e->last}, NULL, "");
}

void http_events_send(struct http_events *e, unsigned stream, struct http_request *request, const char *text)
{
	OBJ_CHECK(e, EVENTS_MAGIC);
	struct http_event_id id = {stream, ++e->last};
	keep(e, id, text);
	if (request != NULL)
		send_event(request, id, "message", text);
}

static bool is_after(const struct kept *k, struct http_event_id after)
{
	return k->id.stream == after.stream && k->id.number > after.number;
}

void http_events_replay(const struct http_events *e, struct http_event_id after, struct http_request *request)
{
	OBJ_CHECK(e, EVENTS_MAGIC);
	const struct kept *k;
	STAILQ_FOREACH (k, &e->kept, next)
		if (is_after(k, after))
			send_event(request, k->id, "message", k->text);
}

bool http_events_missed(const struct http_events *e, struct http_event_id after)
{
	OBJ_CHECK(e, EVENTS_MAGIC);
	const struct kept *k;
	STAILQ_FOREACH (k, &e->kept, next)
		if (is_after(k, after))
			return true;
	return false;
}

struct http_events *http_events_new(void)
{
	struct http_events *e;
	OBJ_ALLOC(e, EVENTS_MAGIC);
	STAILQ_INIT(&e->kept);
	return e;
}

void http_events_free(struct http_events **ee)
{
	struct http_events *e = *ee;
	OBJ_CHECK(e, EVENTS_MAGIC);
	while (!STAILQ_EMPTY(&e->kept))
		forget_oldest(e);
	OBJ_FREE(e);
	*ee = NULL;
}
