#include "smsd/outbox/send_checks.h"

#include "lib/base/panic.h"
#include "smsd/messages/optouts.h"
#include "smsd/messages/send_request.h"
#include "smsd/outbox/bulk_states.h"

#include <stdlib.h>

enum { OPTED_OUT = 21610 }; /* Twilio's code for the same */

struct gate_pass {
	struct smsd *smsd;
	char *bulk_id; /* NULL: of none */
	gate_fn *fn;
	void *arg;
};

static void gate_end(struct gate_pass *p, const struct gate_answer *answer)
{
	p->fn(p->arg, answer);
	free(p->bulk_id);
	free(p);
}

static void on_bulk(void *arg, json_t *bulk, const char *error)
{
	struct gate_pass *p = arg;
	static const struct gate_answer open = {.verdict = GATE_OPEN}, canceled = {.verdict = GATE_CANCELED};
	struct gate_answer unknown = {.verdict = GATE_UNKNOWN, .message = error};
	/* A bulk that was removed is not there to be canceled. */
	if (error != NULL)
		gate_end(p, &unknown);
	else
		gate_end(p, json_is_object(bulk) && bulk_state_of(bulk) == BULK_CANCELED ? &canceled : &open);
}

static void on_optout(void *arg, json_t *record, const char *error)
{
	struct gate_pass *p = arg;
	static const struct gate_answer open = {.verdict = GATE_OPEN};
	static const struct gate_answer opted_out = {GATE_REFUSED, 403, "opted_out", OPTED_OUT,
						     OPTOUT_ADVICE};
	(void)error; /* unknown while the database is away: Twilio refuses such a message itself (21610) */
	if (optout_forbids(record))
		gate_end(p, &opted_out);
	else if (p->bulk_id != NULL)
		store_get(p->smsd->store, STORE_BULKS, "bulkId", p->bulk_id, on_bulk, p);
	else
		gate_end(p, &open);
}

void gate_check(struct smsd *s, const char *from, const char *to, const char *bulk_id, gate_fn *fn, void *arg)
{
	static const struct gate_answer not_enabled = {
		GATE_REFUSED, 403, "not_enabled", 0,
		"The sender is not among SMS_ENABLED_NUMBERS (or is not TWILIO_NUMBER when that is not set): "
		"add it there, or send from another number."};
	struct gate_pass *p = xcalloc(1, sizeof *p);
	*p = (struct gate_pass){s, bulk_id && bulk_id[0] ? xstrdup(bulk_id) : NULL, fn, arg};
	if (!wish_enabled(s, from))
		gate_end(p, &not_enabled);
	else
		optout_look(s, from, to, on_optout, p);
}
