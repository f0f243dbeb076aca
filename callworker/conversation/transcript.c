#include "callworker/conversation/transcript.h"

#include "lib/base/json_build.h"
#include "lib/base/object.h"
#include "lib/base/text.h"

#include <string.h>

#define TRANSCRIPT_MAGIC 0x74726e73u

enum { TURNS_MAX = 200 }; /* the newest are enough to go on from */

struct transcript {
	unsigned magic;
	json_t *turns, *heard; /* heard: made of turns when asked for */
};

struct transcript *transcript_new(const json_t *history)
{
	struct transcript *t;
	OBJ_ALLOC(t, TRANSCRIPT_MAGIC);
	t->turns = json_is_array(history) ? json_deep_copy(history) : json_array();
	return t;
}

void transcript_free(struct transcript **tt)
{
	struct transcript *t = *tt;
	if (t == NULL)
		return;
	OBJ_CHECK(t, TRANSCRIPT_MAGIC);
	json_decref(t->turns);
	json_decref(t->heard);
	OBJ_FREE(t);
	*tt = NULL;
}

/* Where the turn with this number is; the end if there is none. */
static size_t find_turn(const struct transcript *t, int64_t number)
{
	size_t i = json_array_size(t->turns);
	while (i > 0 && number != 0) {
		json_t *turn = json_array_get(t->turns, --i);
		if (json_integer_value(json_object_get(turn, "number")) == number)
			return i;
	}
	return json_array_size(t->turns);
}

void transcript_add(struct transcript *t, const char *role, const char *content, int64_t number,
		    int64_t before)
{
	OBJ_CHECK(t, TRANSCRIPT_MAGIC);
	json_t *turn =
		json_build("{s:s, s:s, s:I}", "role", role, "content", content, "number", (json_int_t)number);
	json_array_insert_new(t->turns, find_turn(t, before), turn);
	if (json_array_size(t->turns) > TURNS_MAX)
		json_array_remove(t->turns, 0);
}

void transcript_correct(struct transcript *t, int64_t number, const char *content)
{
	OBJ_CHECK(t, TRANSCRIPT_MAGIC);
	json_t *turn = json_array_get(t->turns, find_turn(t, number));
	if (turn != NULL)
		json_object_set_new(turn, "content", json_text(content));
}

bool transcript_has(const struct transcript *t, const char *role)
{
	OBJ_CHECK(t, TRANSCRIPT_MAGIC);
	size_t i;
	json_t *turn;
	json_array_foreach (t->turns, i, turn) {
		const char *who = json_string_value(json_object_get(turn, "role"));
		if (who != NULL && strcmp(who, role) == 0)
			return true;
	}
	return false;
}

const json_t *transcript_turns(struct transcript *t)
{
	OBJ_CHECK(t, TRANSCRIPT_MAGIC);
	size_t i;
	json_t *turn;
	json_decref(t->heard);
	t->heard = json_array();
	json_array_foreach (t->turns, i, turn)
		if (json_string_length(json_object_get(turn, "content")) > 0)
			json_array_append(t->heard, turn);
	return t->heard;
}
