#include "smsd/messages/optouts.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "smsd/messages/messages.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* www.twilio.com/docs/messaging/tutorials/opt-out: a message of just this word, in any case. */
static const char *const stop_words[] = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL",
					 "END",  "QUIT",    "REVOKE",      "OPTOUT"};
static const char *const start_words[] = {"START", "YES", "UNSTOP"};

static bool is_word(const char *body, const char *const *words, size_t count)
{
	while (isspace((unsigned char)*body))
		body++;
	size_t len = strlen(body);
	while (len > 0 && isspace((unsigned char)body[len - 1]))
		len--;
	for (size_t i = 0; i < count; i++)
		if (strlen(words[i]) == len && strncasecmp(body, words[i], len) == 0)
			return true;
	return false;
}

const char *optout_meaning(const char *type, const char *body)
{
	if (strcasecmp(type, "STOP") == 0 || strcasecmp(type, "START") == 0)
		return strcasecmp(type, "STOP") == 0 ? "STOP" : "START";
	if (type[0] != '\0')
		return NULL;
	if (is_word(body, stop_words, sizeof stop_words / sizeof *stop_words))
		return "STOP";
	return is_word(body, start_words, sizeof start_words / sizeof *start_words) ? "START" : NULL;
}

static char *pair_of(const char *ours, const char *theirs)
{
	return xasprintf("%s:%s", ours, theirs);
}

void optout_record(struct smsd *s, const char *ours, const char *theirs, bool start, store_fn *fn, void *arg)
{
	char *pair = pair_of(ours, theirs);
	json_t *record =
		json_build("{s:s, s:s, s:s, s:b, s:o}", "pair", pair, "ourNumber", ours, "theirNumber",
			   theirs, "optedOut", !start, "createdAt", message_time(wall_now().ms));
	/* A number is no UTF-8 only if it is none: then there is nobody to write to. */
	if (record != NULL)
		store_put(s->store, STORE_OPT_OUTS, record, fn, arg);
	else if (fn != NULL)
		fn(arg, NULL, NULL);
	json_decref(record);
	free(pair);
}

void optout_look(struct smsd *s, const char *ours, const char *theirs, store_fn *fn, void *arg)
{
	char *pair = pair_of(ours, theirs);
	store_get(s->store, STORE_OPT_OUTS, "pair", pair, fn, arg);
	free(pair);
}

bool optout_forbids(const json_t *record)
{
	return json_is_true(json_object_get(record, "optedOut"));
}
