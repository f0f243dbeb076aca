#include "callworker/providers/utterances.h"

#include "callworker/audio/mulaw.h"
#include "lib/base/buffer.h"
#include "lib/base/object.h"

#include <string.h>
#include <sys/queue.h>
#include <unigbrk.h>
#include <uniwbrk.h>

#define UTTERANCES_MAGIC 0x75747472u

enum {
	ORDER_MS = 3000,       /* how long a text waits for that of the utterance before it */
	AWAITED_MS = 10000,    /* a text that has not come by then is not waited for at the end */
	FORGOTTEN_MS = 120000, /* a text that has not come by then never will */
	KEPT_MAX = 64,
};

struct utterance {
	TAILQ_ENTRY(utterance) next;
	char *item, *response; /* response: "" when it is not known */
	bool agent;
	bool done;    /* no more text comes */
	bool over;    /* the end of its item was told */
	bool told;    /* or had nothing to tell */
	bool written; /* the agent's answer is a text without audio */
	bool cut;     /* it was interrupted: its text is what was heard */
	struct buffer text;
	uint64_t from;       /* of its audio among all that was given */
	size_t bytes, heard; /* heard: when it is cut */
	int64_t number;      /* of the turn that was told; 0: none */
	struct mono_us made;
	struct wall_ms said;
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

static void utterance_free(struct utterances *u, struct utterance *e)
{
	TAILQ_REMOVE(&u->list, e, next);
	u->count--;
	free(e->item);
	free(e->response);
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
		utterance_free(u, TAILQ_FIRST(&u->list));
	OBJ_FREE(u);
	*uu = NULL;
}

/* ---- texts ---- */

static const char *text_of(struct utterance *e)
{
	buffer_reserve(&e->text, 1);
	e->text.data[e->text.len] = '\0';
	return (const char *)e->text.data;
}

static void set_text(struct utterance *e, const char *text)
{
	e->text.len = 0;
	buffer_append_text(&e->text, text);
}

/*
 * How many bytes of a text were heard when this share of its sound was: that
 * share of its characters (UAX #29 grapheme clusters: a byte count would favour
 * one script over another), back to a word's boundary, which is found without
 * blanks as well. Blanks at the end are left out.
 */
static size_t heard_bytes(const uint8_t *text, size_t len, double share)
{
	size_t characters = 0, keep = 0;
	char *breaks = xcalloc(1, len + 1);
	u8_grapheme_breaks(text, len, breaks);
	for (size_t i = 0; i < len; i++)
		characters += breaks[i] != 0;
	size_t wanted = (size_t)((double)characters * share);
	for (size_t seen = 0; keep < len; keep++) {
		seen += breaks[keep] != 0;
		if (seen > wanted)
			break;
	}
	u8_wordbreaks(text, len, breaks);
	while (keep > 0 && keep < len && breaks[keep] == 0)
		keep--;
	while (keep > 0 && strchr(" \n", text[keep - 1]) != NULL)
		keep--;
	free(breaks);
	return keep;
}

static void cut_text(struct utterance *e)
{
	if (e->heard < e->bytes)
		e->text.len = heard_bytes(e->text.data, e->text.len, (double)e->heard / (double)e->bytes);
}

/* ---- telling, in order ---- */

/* Before the first of those after it that was told already. */
static struct turn_place place_of(const struct utterance *e)
{
	for (const struct utterance *later = TAILQ_NEXT(e, next); later != NULL;
	     later = TAILQ_NEXT(later, next))
		if (later->number != 0)
			return (struct turn_place){later->number, e->said};
	return (struct turn_place){0};
}

static void tell(struct utterances *u, struct utterance *e)
{
	e->told = true;
	if (e->text.len == 0)
		return;
	struct turn_place place = place_of(e);
	const char *text = text_of(e);
	e->number = e->agent ? u->events->agent_said(u->arg, text, place)
			     : u->events->user_said(u->arg, text, place);
	if (e->cut && e->number != 0)
		u->events->agent_corrected(u->arg, e->number, text);
}

static void flush(void *arg);

static void trim(struct utterances *u, int64_t now_us)
{
	struct utterance *e, *following;
	for (e = TAILQ_FIRST(&u->list); e != NULL && u->count > KEPT_MAX; e = following) {
		following = TAILQ_NEXT(e, next);
		if (e->told || now_us - e->made.us > (int64_t)FORGOTTEN_MS * 1000)
			utterance_free(u, e);
	}
}

/* Tells what is complete, in order; what is not holds up the rest, for a while. */
static void flush(void *arg)
{
	struct utterances *u = arg;
	struct utterance *e;
	int64_t now_us = mono_now().us;
	ws_timer_stop(u->loop, &u->order);
	TAILQ_FOREACH (e, &u->list, next) {
		int64_t left_ms = (e->made.us - now_us) / 1000 + ORDER_MS;
		if (e->told)
			continue;
		if (e->done) {
			tell(u, e);
		} else if (left_ms > 0) {
			ws_timer_start(u->loop, &u->order, (int)left_ms, flush, u);
			break;
		} /* else its text comes late, if ever: the others go first */
	}
	trim(u, now_us);
}

static void end(struct utterance *e)
{
	if (e->cut)
		cut_text(e);
	e->done = true;
}

/* ---- items ---- */

/* One without a name is the open one of its side. */
static struct utterance *find(struct utterances *u, const char *item, bool agent)
{
	struct utterance *e;
	TAILQ_FOREACH_REVERSE(e, &u->list, list, next)
	if (strcmp(e->item, item) == 0 && (item[0] != '\0' || (e->agent == agent && !e->done)))
		return e;
	return NULL;
}

static struct utterance *known(struct utterances *u, const char *item, bool agent, const char *after)
{
	struct utterance *e = find(u, item, agent);
	struct utterance *before = e == NULL && after[0] != '\0' ? find(u, after, agent) : NULL;
	if (e != NULL)
		return e;
	e = xcalloc(1, sizeof *e);
	e->item = xstrdup(item);
	e->response = xstrdup("");
	e->agent = agent;
	e->made = mono_now();
	e->said = wall_now();
	if (before != NULL)
		TAILQ_INSERT_AFTER(&u->list, before, e, next);
	else
		TAILQ_INSERT_TAIL(&u->list, e, next);
	u->count++;
	return e;
}

void utterances_user(struct utterances *u, const char *item, const char *after)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	known(u, item, false, after);
}

void utterances_user_more(struct utterances *u, const char *item, const char *more)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = known(u, item, false, "");
	if (!e->done)
		buffer_append_text(&e->text, e->text.len > 0 ? more : more + strspn(more, " \n"));
}

void utterances_user_done(struct utterances *u, const char *item, const char *text)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = known(u, item, false, "");
	if (e->done)
		return;
	text += strspn(text, " \n");
	if (text[0] != '\0')
		set_text(e, text);
	end(e);
	flush(u);
}

bool utterances_awaited(const struct utterances *u)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	int64_t now_us = mono_now().us;
	const struct utterance *e;
	TAILQ_FOREACH (e, &u->list, next)
		if (!e->agent && !e->done && now_us - e->made.us < AWAITED_MS * INT64_C(1000))
			return true;
	return false;
}

void utterances_agent(struct utterances *u, const char *item, const char *response)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = known(u, item, true, "");
	if (e->response[0] == '\0' && response[0] != '\0') {
		free(e->response);
		e->response = xstrdup(response);
	}
}

void utterances_agent_audio(struct utterances *u, const char *item, uint64_t from, size_t bytes)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = known(u, item, true, "");
	if (e->bytes == 0)
		e->from = from;
	e->bytes += bytes;
}

void utterances_agent_dropped(struct utterances *u, const char *item, size_t bytes)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = find(u, item, true);
	if (e != NULL && e->cut && !e->done)
		e->bytes += bytes; /* its words are still to come: they are those of all its audio */
}

void utterances_agent_more(struct utterances *u, const char *item, const char *more, bool written)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = known(u, item, true, "");
	e->written = e->written || written;
	if (!e->done)
		buffer_append_text(&e->text, more);
}

void utterances_agent_done(struct utterances *u, const char *item, const char *text, bool written)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = known(u, item, true, "");
	e->written = e->written || written;
	if (e->done)
		return;      /* cut already: the whole text was not heard */
	if (text[0] != '\0') /* else its parts are what there is */
		set_text(e, text);
	end(e);
	flush(u);
}

/* The end of an item of the agent's that is still open. */
static void end_agent(struct utterance *e, bool cut_off)
{
	if (e->agent && cut_off && e->bytes == 0 && !e->written)
		e->text.len = 0;
	end(e);
}

/* An item may have several parts; the first one's text has been told as soon as it was there. */
static void add_parts(struct utterances *u, struct utterance *e, const char *text)
{
	if (e->cut || e->over || strlen(text) <= e->text.len || strncmp(text, text_of(e), e->text.len) != 0)
		return;
	set_text(e, text);
	if (e->number != 0)
		u->events->agent_corrected(u->arg, e->number, text_of(e));
}

void utterances_agent_end(struct utterances *u, const char *item, const char *text, bool cut_off)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e = find(u, item, true);
	if (e == NULL || !e->agent)
		return;
	if (e->done) {
		add_parts(u, e, text);
		e->over = true;
		return;
	}
	e->over = true;
	if (text[0] != '\0')
		set_text(e, text);
	end_agent(e, cut_off);
	flush(u);
}

void utterances_response_end(struct utterances *u, const char *response, bool cut_off)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e;
	TAILQ_FOREACH (e, &u->list, next) {
		bool other =
			e->response[0] != '\0' && response[0] != '\0' && strcmp(e->response, response) != 0;
		if (e->agent && !e->done && !other)
			end_agent(e, cut_off);
	}
	flush(u);
}

static void cut(struct utterances *u, struct utterance *e, size_t heard)
{
	e->cut = true;
	e->heard = heard;
	if (e->item[0] != '\0')
		u->events->truncated(u->arg, e->item, (int64_t)(heard / MULAW_BYTES_PER_MS));
	if (e->told && e->number != 0) {
		cut_text(e);
		u->events->agent_corrected(u->arg, e->number, text_of(e));
	} else if (e->text.len > 0) {
		end(e); /* with the words of the sound that came; else they come with its end */
	}
}

void utterances_heard(struct utterances *u, uint64_t bytes)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e;
	TAILQ_FOREACH (e, &u->list, next)
		if (e->agent && !e->cut && e->bytes > 0 && e->from + e->bytes > bytes)
			cut(u, e, bytes > e->from ? (size_t)(bytes - e->from) : 0);
	flush(u);
}

/* Cut off by the end: what came of it is told, as truncated. */
static void end_open(struct utterance *e)
{
	if (e->agent && !e->cut) {
		e->cut = true;
		e->heard = e->bytes;
	}
	end_agent(e, true);
}

void utterances_finish(struct utterances *u, bool over)
{
	OBJ_CHECK(u, UTTERANCES_MAGIC);
	struct utterance *e;
	ws_timer_stop(u->loop, &u->order);
	TAILQ_FOREACH (e, &u->list, next) {
		if (!e->done && (over || (e->agent && e->text.len > 0)))
			end_open(e);
		if (e->done && !e->told)
			tell(u, e);
	}
}
