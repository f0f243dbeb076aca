#include "callworker/providers/function_calls.h"

#include "lib/base/object.h"

#include <string.h>
#include <sys/queue.h>

#define FUNCTION_CALLS_MAGIC 0x66756e63u

enum { KEPT_MAX = 64 }; /* answered ones, to know a repeat by */

enum stage { TOLD, RUNNING, OVER };

struct function_call {
	TAILQ_ENTRY(function_call) next;
	char *id, *response, *name, *arguments;
	enum stage stage;
};

struct function_calls {
	unsigned magic;
	function_calls_run_fn *run;
	void *arg;
	TAILQ_HEAD(call_list, function_call) list;
	unsigned count, open; /* open: not over yet */
	char *response;       /* that the last came in, while more may come in it; NULL: none */
	bool wanted, last;    /* a response; none: the conversation ends */
};

struct function_calls *function_calls_new(function_calls_run_fn *run, void *arg)
{
	struct function_calls *f;
	OBJ_ALLOC(f, FUNCTION_CALLS_MAGIC);
	f->run = run;
	f->arg = arg;
	TAILQ_INIT(&f->list);
	return f;
}

static void forget(struct function_calls *f, struct function_call *c)
{
	TAILQ_REMOVE(&f->list, c, next);
	f->count--;
	free(c->id);
	free(c->response);
	free(c->name);
	free(c->arguments);
	free(c);
}

void function_calls_free(struct function_calls **ff)
{
	struct function_calls *f = *ff;
	if (f == NULL)
		return;
	OBJ_CHECK(f, FUNCTION_CALLS_MAGIC);
	while (!TAILQ_EMPTY(&f->list))
		forget(f, TAILQ_FIRST(&f->list));
	free(f->response);
	OBJ_FREE(f);
	*ff = NULL;
}

/* Where one of them is not known, it may be the same. */
static bool is_same(const char *response, const char *other)
{
	return response[0] == '\0' || other[0] == '\0' || strcmp(response, other) == 0;
}

static struct function_call *find(struct function_calls *f, const char *id)
{
	struct function_call *c;
	TAILQ_FOREACH (c, &f->list, next)
		if (strcmp(c->id, id) == 0)
			return c;
	return NULL;
}

void function_calls_add(struct function_calls *f, const char *id, const char *response, const char *name,
			const char *arguments)
{
	OBJ_CHECK(f, FUNCTION_CALLS_MAGIC);
	struct function_call *c = find(f, id), *oldest = TAILQ_FIRST(&f->list);
	if (c != NULL)
		return;
	if (f->count >= KEPT_MAX && oldest->stage == OVER)
		forget(f, oldest);
	c = xcalloc(1, sizeof *c);
	*c = (struct function_call){.id = xstrdup(id),
				    .response = xstrdup(response),
				    .name = xstrdup(name),
				    .arguments = xstrdup(arguments)};
	TAILQ_INSERT_TAIL(&f->list, c, next);
	f->count++;
	f->open++;
	free(f->response);
	f->response = xstrdup(response);
}

static void end(struct function_calls *f, struct function_call *c, bool complete)
{
	if (c->stage != TOLD)
		return;
	c->stage = complete ? RUNNING : OVER;
	f->open -= !complete;
	if (complete)
		f->run(f->arg, c->id, c->name, c->arguments);
}

void function_calls_end(struct function_calls *f, const char *id, bool complete)
{
	OBJ_CHECK(f, FUNCTION_CALLS_MAGIC);
	struct function_call *c = find(f, id);
	if (c != NULL)
		end(f, c, complete);
}

void function_calls_response_end(struct function_calls *f, const char *response, bool complete)
{
	OBJ_CHECK(f, FUNCTION_CALLS_MAGIC);
	struct function_call *c, *following;
	for (c = TAILQ_FIRST(&f->list); c != NULL; c = following) {
		following = TAILQ_NEXT(c, next);
		if (is_same(c->response, response))
			end(f, c, complete);
	}
	if (f->response != NULL && is_same(f->response, response)) {
		free(f->response);
		f->response = NULL;
	}
}

void function_calls_answered(struct function_calls *f, const char *id, bool go_on)
{
	OBJ_CHECK(f, FUNCTION_CALLS_MAGIC);
	struct function_call *c = find(f, id);
	if (c == NULL || c->stage != RUNNING)
		return;
	c->stage = OVER;
	f->open--;
	f->wanted = f->wanted || go_on;
	f->last = f->last || !go_on;
}

bool function_calls_settled(struct function_calls *f)
{
	OBJ_CHECK(f, FUNCTION_CALLS_MAGIC);
	if (f->open > 0 || f->response != NULL)
		return false;
	bool wanted = f->wanted && !f->last;
	f->wanted = f->last = false;
	return wanted;
}
