#include "voiced/shared/event_bus.h"

#include "lib/base/json_build.h"
#include "lib/base/object.h"

#include <string.h>
#include <sys/queue.h>

#define NEWS_MAGIC 0x6e657773u

struct listener {
	LIST_ENTRY(listener) next;
	news_fn *fn;
	void *arg;
};

struct news {
	unsigned magic;
	LIST_HEAD(, listener) listeners;
};

struct news *news_new(struct voiced *v)
{
	struct news *n;
	(void)v;
	OBJ_ALLOC(n, NEWS_MAGIC);
	LIST_INIT(&n->listeners);
	return n;
}

void news_free(struct news **nn)
{
	struct news *n = *nn;
	if (n == NULL)
		return;
	OBJ_CHECK(n, NEWS_MAGIC);
	while (!LIST_EMPTY(&n->listeners)) {
		struct listener *l = LIST_FIRST(&n->listeners);
		LIST_REMOVE(l, next);
		free(l);
	}
	OBJ_FREE(n);
	*nn = NULL;
}

struct listener *news_listen(struct voiced *v, news_fn *fn, void *arg)
{
	struct listener *l = xcalloc(1, sizeof *l);
	l->fn = fn;
	l->arg = arg;
	LIST_INSERT_HEAD(&v->news->listeners, l, next);
	return l;
}

void news_unlisten(struct listener **ll)
{
	if (*ll == NULL)
		return;
	LIST_REMOVE(*ll, next);
	free(*ll);
	*ll = NULL;
}

/* The item is stolen. A listener may go away while it is told, but no other. */
static void tell(struct voiced *v, json_t *item)
{
	struct listener *l, *following;
	for (l = LIST_FIRST(&v->news->listeners); l != NULL; l = following) {
		following = LIST_NEXT(l, next);
		l->fn(l->arg, item);
	}
	json_decref(item);
}

void news_tell(struct voiced *v, json_t *item)
{
	tell(v, json_incref(item));
}

/* A call is known by our own id, too, which it has before Twilio names it. */
static void tell_of_call(struct voiced *v, const struct call *call, json_t *item)
{
	if (call_value(call, "requestId") != NULL)
		json_object_set(item, "requestId", call_value(call, "requestId"));
	tell(v, item);
}

void news_call(struct voiced *v, const struct call *call)
{
	const char *sid = call_sid(call)[0] ? call_sid(call) : call_text(call, "requestId");
	if (v->news == NULL || sid[0] == '\0')
		return;
	tell_of_call(v, call,
		     json_build("{s:s, s:s, s:s, s:b, s:s, s:s}", "kind", "call", "callSid", sid, "status",
				call_text(call, "status"), "isLive", !call_is_over(call), "fromNumber",
				call_text(call, "fromNumber"), "toNumber", call_text(call, "toNumber")));
}

void news_canceled(struct voiced *v, const json_t *document)
{
	const json_t *id = json_object_get(document, "requestId");
	if (v->news != NULL)
		tell(v, json_build("{s:s, s:O, s:O, s:s, s:b, s:O, s:O}", "kind", "call", "callSid", id,
				   "requestId", id, "status", "canceled", "isLive", 0, "fromNumber",
				   json_object_get(document, "fromNumber"), "toNumber",
				   json_object_get(document, "toNumber")));
}

void news_turn(struct voiced *v, const struct call *call, const struct news_turn *turn)
{
	if (v->news == NULL || turn->content == NULL)
		return;
	json_t *item = json_build("{s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "kind",
				  turn->corrects ? "correction" : "turn", "callSid", call_sid(call), "role",
				  turn->role ? turn->role : "assistant", "content", turn->content, "attempt",
				  (json_int_t)turn->attempt, "turn", (json_int_t)turn->number, "timestamp",
				  turn->time);
	if (turn->before > 0)
		json_object_set_new(item, "before", json_integer(turn->before));
	tell_of_call(v, call, item);
}

void news_question(struct voiced *v, const struct call *call, const char *kind, const json_t *data)
{
	const char *question = json_string_value(json_object_get(data, "question"));
	if (v->news != NULL)
		tell_of_call(v, call,
			     json_build("{s:s, s:s, s:s}", "kind", kind, "callSid", call_sid(call),
					"question", question ? question : ""));
}

void news_voicemail_changed(struct voiced *v, const char *recording_sid)
{
	if (v->news != NULL)
		tell(v, json_build("{s:s, s:s}", "kind", "voicemail", "recordingSid", recording_sid));
}

void news_voicemail(struct voiced *v, const json_t *document)
{
	if (v->news != NULL)
		tell(v, json_build("{s:s, s:O, s:O, s:O}", "kind", "voicemail", "recordingSid",
				   json_object_get(document, "recordingSid"), "fromNumber",
				   json_object_get(document, "fromNumber"), "toNumber",
				   json_object_get(document, "toNumber")));
}
