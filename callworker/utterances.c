#include "callworker/utterances.h"

#include "callworker/mulaw.h"
#include "lib/base/buffer.h"
#include "lib/base/object.h"

#include <string.h>
#include <sys/queue.h>

#define UTTERANCES_MAGIC 0x75747472u

enum {
	ORDER_MS = 3000, /* how long a text waits for that of the utterance before it */
	KEPT_MAX = 64,
};

struct utterance {
	TAILQ_ENTRY(utterance) next;
	char *item;
	bool agent, done, told;
	bool cut; /* it was interrupted: its text is what was heard */
	struct buffer text;
	uint64_t from; /* of its audio among all that was given */
	size_t bytes;
	int64_t number;
	struct mono_us made;
};

struct utterances {
	unsigned magic;
	struct ws_loop *loop;
	const struct utterances_events *events;
	void *arg;
	TAILQ_HEAD(list, utterance) list;
	unsigned count;
	struct ws_timer order;
};

struct utterances *utterances_new(struct ws_loop *loop, const struct utterances_events *events, void *arg)
{
	struct utterances *u;
	OBJ_ALLOC(u, UTTERANCES_MAGIC);
	u->loop = loop;
	u->events = events;
	u->arg = arg;
	TAILQ_INIT(&u->list);
	return u;
}

static void forget(struct utterances *u, struct utterance *e)
{
	TAILQ_REMOVE(&u->list, e, next);
	u->count--;
	free(e->item);
	buffer_free(&e->text);
	free(e);
}

void utterances_free(struct utterances **uu)
{
	struct utterances *u = *uu;
	if (u == NULL)
		return;
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	ws_timer_stop(u->loop, &u->order);
	while (!TAILQ_EMPTY(&u->list))
		forget(u, TAILQ_FIRST(&u->list));
	OBJ_FREE(u);
	*uu = NULL;
}

static const char *text_of(struct utterance *e)
{
	buffer_reserve(&e->text, 1);
	e->text.data[e->text.len] = '\0';
	return (const char *)e->text.data;
}

static void tell(struct utterances *u, struct utterance *e)
{
	e->told = true;
	if (e->agent)
		e->number = u->events->agent_said(u->arg, text_of(e));
	else if (e->text.len > 0)
		u->events->user_said(u->arg, text_of(e));
}

static void flush(struct utterances *u);

static void on_order(void *arg)
{
	flush(arg);
}

/* Tells what is complete, in order; what is not holds up the rest, for a while. */
static void flush(struct utterances *u)
{
	struct utterance *e, *following;
	int64_t now = mono_now().us;
	ws_timer_stop(u->loop, &u->order);
	for (e = TAILQ_FIRST(&u->list); e != NULL; e = TAILQ_NEXT(e, next)) {
		if (e->told)
			continue;
		if (e->done) {
			tell(u, e);
			continue;
		}
		int64_t left = (e->made.us - now) / 1000 + ORDER_MS;
		if (!e->agent && left <= 0)
			continue; /* its text comes late, if ever: the others go first */
		if (!e->agent)
			ws_timer_start(u->loop, &u->order, (int)left, on_order, u);
		break;
	}
	for (e = TAILQ_FIRST(&u->list); e != NULL && u->count > KEPT_MAX; e = following) {
		following = TAILQ_NEXT(e, next);
		if (e->told)
			forget(u, e);
	}
}

static struct utterance *find(struct utterances *u, const char *item)
{
	struct utterance *e;
	TAILQ_FOREACH (e, &u->list, next)
		if (strcmp(e->item, item) == 0)
			return e;
	return NULL;
}

static struct utterance *known(struct utterances *u, const char *item, bool agent)
{
	struct utterance *e = find(u, item);
	if (e != NULL)
		return e;
	e = xcalloc(1, sizeof *e);
	e->item = xstrdup(item);
	e->agent = agent;
	e->made = mono_now();
	TAILQ_INSERT_TAIL(&u->list, e, next);
	u->count++;
	return e;
}

void utterances_user(struct utterances *u, const char *item)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	known(u, item, false);
}

void utterances_user_text(struct utterances *u, const char *item, const char *text)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = known(u, item, false);
	if (e->done)
		return;
	buffer_append_text(&e->text, text + strspn(text, " \n"));
	e->done = true;
	flush(u);
}

void utterances_agent(struct utterances *u, const char *item)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	known(u, item, true);
}

void utterances_agent_audio(struct utterances *u, const char *item, uint64_t from, size_t bytes)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = known(u, item, true);
	if (e->bytes == 0)
		e->from = from;
	e->bytes += bytes;
}

void utterances_agent_text(struct utterances *u, const char *item, const char *more)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = known(u, item, true);
	if (!e->done)
		buffer_append_text(&e->text, more);
}

void utterances_agent_done(struct utterances *u, const char *item, const char *text)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = known(u, item, true);
	if (e->done)
		return; /* cut already: the whole text was not heard */
	e->text.len = 0;
	buffer_append_text(&e->text, text);
	e->done = true;
	flush(u);
}

/* Keeps whole words of the share of the text that was heard. */
static void cut_text(struct utterance *e, size_t heard)
{
	size_t keep = heard >= e->bytes ? e->text.len
					: (size_t)((double)e->text.len * (double)heard / (double)e->bytes);
	if (keep < e->text.len) {
		while (keep > 0 && e->text.data[keep] != ' ')
			keep--;
		while (keep > 0 && e->text.data[keep - 1] == ' ')
			keep--;
	}
	e->text.len = keep;
}

static void cut(struct utterances *u, struct utterance *e, size_t heard)
{
	e->cut = e->done = true;
	cut_text(e, heard);
	u->events->truncated(u->arg, e->item, (int64_t)(heard / MULAW_BYTES_PER_MS));
	if (e->told)
		u->events->agent_corrected(u->arg, e->number, text_of(e));
}

void utterances_heard(struct utterances *u, uint64_t bytes)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e;
	TAILQ_FOREACH (e, &u->list, next) {
		if (!e->agent || e->cut || e->from + e->bytes <= bytes || e->bytes == 0)
			continue;
		cut(u, e, bytes > e->from ? (size_t)(bytes - e->from) : 0);
		/* Told now, and marked as cut. */
		if (!e->told) {
			tell(u, e);
			u->events->agent_corrected(u->arg, e->number, text_of(e));
		}
	}
	flush(u);
}

void utterances_finish(struct utterances *u)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e;
	TAILQ_FOREACH (e, &u->list, next) {
		e->done = e->done || e->text.len > 0;
		if (e->done && !e->told)
			tell(u, e);
	}
}
