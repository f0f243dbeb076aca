#include "callworker/control/event_journal.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/object.h"

#include <sys/queue.h>

#define JOURNAL_MAGIC 0x6a6f7572u

struct entry {
	STAILQ_ENTRY(entry) next;
	int64_t seq;
	json_t *event;
};

struct journal {
	unsigned magic;
	journal_send_fn *send;
	void *arg;
	int64_t last_seq;
	STAILQ_HEAD(, entry) entries;
};

struct journal *journal_new(journal_send_fn *send, void *arg)
{
	struct journal *j;
	OBJ_ALLOC(j, JOURNAL_MAGIC);
	j->send = send;
	j->arg = arg;
	STAILQ_INIT(&j->entries);
	return j;
}

void journal_free(struct journal **jj)
{
	struct journal *j = *jj;
	if (j == NULL)
		return;
	OBJ_CHECK(j, JOURNAL_MAGIC);
	journal_acked(j, j->last_seq);
	OBJ_FREE(j);
	*jj = NULL;
}

int64_t journal_add(struct journal *j, const char *type, json_t *data)
{
	OBJ_CHECK(j, JOURNAL_MAGIC);
	char time[WALL_TEXT_SIZE];
	struct entry *e = xcalloc(1, sizeof *e);
	wall_format(wall_now(), time);
	e->seq = ++j->last_seq;
	e->event = json_build("{s:I, s:s, s:s, s:o}", "seq", (json_int_t)e->seq, "type", type, "time", time,
			      "data", data);
	if (e->event == NULL)
		panic("event %s is no JSON", type);
	STAILQ_INSERT_TAIL(&j->entries, e, next);
	j->send(j->arg, json_incref(e->event));
	return e->seq;
}

void journal_acked(struct journal *j, int64_t seq)
{
	OBJ_CHECK(j, JOURNAL_MAGIC);
	struct entry *e;
	while ((e = STAILQ_FIRST(&j->entries)) != NULL && e->seq <= seq) {
		STAILQ_REMOVE_HEAD(&j->entries, next);
		json_decref(e->event);
		free(e);
	}
}

bool journal_is_empty(const struct journal *j)
{
	OBJ_CHECK(j, JOURNAL_MAGIC);
	return STAILQ_EMPTY(&j->entries);
}

void journal_replay(struct journal *j)
{
	OBJ_CHECK(j, JOURNAL_MAGIC);
	struct entry *e;
	STAILQ_FOREACH (e, &j->entries, next)
		j->send(j->arg, json_incref(e->event));
}
