#include "smsd/outbox/reconcile.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/log.h"
#include "lib/base/object.h"
#include "lib/base/panic.h"
#include "smsd/messages/messages.h"

#include <stdlib.h>
#include <string.h>

#define UNHEARD_MAGIC 0x756e6872u

enum {
	PUMP_MS = 5000,
	FIRST_MS = 30000,              /* most are delivered within seconds */
	GIVE_UP_MS = 2 * 86400 * 1000, /* some carriers never tell more than "sent" */
	AT_ONCE = 10,                  /* asked about in one go: sending matters more */
};

struct unheard {
	unsigned magic;
	struct smsd *smsd;
	struct timer pump;
	bool draining;
};

struct asking {
	struct smsd *smsd;
	char *sid;
	bool last; /* no more after this one */
};

json_t *unheard_first_check(void)
{
	return message_time(wall_now().ms + FIRST_MS);
}

static void ask_no_more(struct smsd *s, const char *sid)
{
	struct store_change change = {
		.key = sid, .field = "messageSid", .unset = json_build("[s]", "checkAt")};
	store_update(s->store, STORE_MESSAGES, &change, NULL, NULL);
}

static void end(struct asking *a)
{
	free(a->sid);
	free(a);
}

static void on_fetched(void *arg, const struct twilio_answer *answer)
{
	struct asking *a = arg;
	const char *status = "", *words = "";
	int64_t code = 0;
	bool ended = answer->outcome == TWILIO_REFUSED && answer->code == TWILIO_NOT_FOUND;
	if (answer->outcome == TWILIO_DONE) {
		struct json_reader r;
		json_read_open(&r, answer->body);
		json_read_text(&r, "status", JSON_NEEDED, 1, 40, &status);
		json_read_int(&r, "error_code", JSON_OPTIONAL, 0, 999999, &code);
		json_read_text(&r, "error_message", JSON_OPTIONAL, 1, 1000, &words);
		ended = message_status_is_last(status);
	}
	if (message_status_known(status)) {
		if (ended)
			log_info("message %s is %s: no callback had told so", a->sid, status);
		message_advance(a->smsd, a->sid, status, (int)code,
				words[0]    ? words
				: code != 0 ? twilio_advice((int)code)
					    : "",
				NULL, NULL);
	}
	if (ended || a->last)
		ask_no_more(a->smsd, a->sid);
	end(a);
}

static void on_claimed(void *arg, json_t *result, const char *error)
{
	struct asking *a = arg;
	if (error != NULL || !json_is_object(result)) {
		end(a); /* another host was quicker, or its end was told just now */
	} else if (message_status_is_last(message_field(result, "status"))) {
		ask_no_more(a->smsd, a->sid);
		end(a);
	} else {
		twilio_fetch_message(a->smsd->twilio, a->sid, on_fetched, a);
	}
}

/* Takes it for this host, if nobody else does, with the time of the next question: twice as far. */
static void claim(struct unheard *u, const json_t *document)
{
	int64_t now = wall_now().ms;
	struct wall_ms created = {now};
	struct asking *a = xcalloc(1, sizeof *a);
	wall_parse(message_field(document, "createdAt"), &created);
	int64_t age = now - created.ms > FIRST_MS ? now - created.ms : FIRST_MS;
	*a = (struct asking){u->smsd, xstrdup(message_field(document, "messageSid")), age > GIVE_UP_MS};
	struct store_change change = {
		.key = message_field(document, "requestId"),
		.where = json_build("[[s, s, O]]", "checkAt", "=", json_object_get(document, "checkAt")),
		.set = json_build("{s:o}", "checkAt", message_time(now + age)),
		.strict = true};
	store_update(u->smsd->store, STORE_MESSAGES, &change, on_claimed, a);
}

static void pump(void *arg);

static void on_due(void *arg, json_t *result, const char *error)
{
	struct unheard *u = arg;
	size_t i;
	json_t *document;
	if (u->draining)
		return;
	if (error != NULL)
		log_debug("messages without an end cannot be read: %s", error);
	json_array_foreach (json_object_get(result, "documents"), i, document)
		claim(u, document);
	timer_start(&u->pump, u->smsd->base, PUMP_MS, pump, u);
}

static void pump(void *arg)
{
	struct unheard *u = arg;
	struct store_query due = {
		.where = json_build("[[s, s, o]]", "checkAt", "<=", message_time(wall_now().ms)),
		.order = "checkAt",
		.ascending = true,
		.limit = AT_ONCE};
	store_find(u->smsd->store, STORE_MESSAGES, &due, on_due, u);
}

struct unheard *unheard_new(struct smsd *s)
{
	struct unheard *u;
	OBJ_ALLOC(u, UNHEARD_MAGIC);
	u->smsd = s;
	timer_start(&u->pump, s->base, PUMP_MS, pump, u);
	return u;
}

void unheard_drain(struct unheard *u)
{
	OBJ_CHECK(u, UNHEARD_MAGIC);
	u->draining = true;
	timer_stop(&u->pump);
}

void unheard_free(struct unheard **uu)
{
	struct unheard *u = *uu;
	if (u == NULL)
		return;
	OBJ_CHECK(u, UNHEARD_MAGIC);
	timer_stop(&u->pump);
	OBJ_FREE(u);
	*uu = NULL;
}
