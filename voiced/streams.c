#include "voiced/streams.h"

#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/twilio/signature.h"
#include "voiced/agent.h"
#include "voiced/browser.h"
#include "voiced/door.h"
#include "voiced/elsewhere.h"
#include "voiced/events.h"
#include "voiced/workers.h"

#include <stdlib.h>
#include <unistd.h>

enum { SETTLE_MS = 20, SETTLE_TRIES = 75, HISTORY_TRIES = 5, HISTORY_AGAIN_MS = 100 };

struct stream {
	struct voiced *v;
	struct route route;
	int fd;
	struct timer again;
	int waits, tries;
};

static void refuse(struct stream *s, int status, const char *code, const char *message)
{
	door_refuse(s->fd, status, code, message);
	free(s);
}

static void serve(struct stream *s, struct call *call)
{
	if (s->v->workers == NULL) { /* voiced ends: Twilio asks again */
		close(s->fd);
		free(s);
		return;
	}
	/* The stream before this one may be dead without its worker knowing it yet. */
	worker_retire(call);
	if (call_agent(call) == AGENT_NONE)
		agent_prepare(s->v, call);
	workers_serve(s->v->workers, call, s->fd);
	free(s);
}

static void read_history(void *arg);

static void on_history(void *arg, json_t *result, const char *error)
{
	struct stream *s = arg;
	struct call *call = calls_by_token(s->v->calls, s->route.token);
	if (call == NULL) {
		refuse(s, 403, "secret", "The secret in the URL is no live call's.");
		return;
	}
	if (error != NULL && s->tries++ < HISTORY_TRIES && s->v->workers != NULL) {
		timer_start(&s->again, s->v->base, HISTORY_AGAIN_MS, read_history, s);
		return;
	}
	if (error == NULL)
		call_set_history(call, json_object_get(result, "documents"));
	else
		log_call(LOG_SEV_ERROR, call_sid(call), "what was said before cannot be read: %s", error);
	serve(s, call);
}

/* What the call's last process told must have come first; the store reads in the order asked. */
static void read_history(void *arg)
{
	struct stream *s = arg;
	struct call *call = calls_by_token(s->v->calls, s->route.token);
	bool unsettled = call != NULL && (call_is_retiring(call) || events_wait(s->v, call));
	if (unsettled && s->waits++ < SETTLE_TRIES && s->v->workers != NULL)
		timer_start(&s->again, s->v->base, SETTLE_MS, read_history, s);
	else if (call != NULL)
		store_turns(s->v->store, call_id(call), on_history, s);
	else
		refuse(s, 403, "secret", "The secret in the URL is no live call's.");
}

static void take_browser(struct stream *s, struct call *call)
{
	const char *why = browser_connect(call, s->route.target);
	if (why != NULL) {
		refuse(s, 409, "over", why);
		return;
	}
	call_take(call);
	worker_retire(call);
	if (call_attempt(call) > 0)
		read_history(s);
	else
		serve(s, call);
}

static void take_twilio(struct stream *s, struct call *call)
{
	struct voiced *v = s->v;
	if (!twilio_stream_signature_valid(v->config->twilio_auth_token, v->config->public_url,
					   s->route.target, s->route.signature)) {
		log_call(LOG_SEV_WARN, call_sid(call), "a stream with a wrong signature was refused");
		refuse(s, 403, "signature", "X-Twilio-Signature is wrong or missing.");
		return;
	}
	call_take(call);
	/* What another host has prepared when it answered for this call is not here. */
	if (call_attempt(call) > 0 && json_array_size(call_history(call)) == 0)
		read_history(s);
	else
		serve(s, call);
}

static void on_call(void *arg, struct call *call, const char *error)
{
	struct stream *s = arg;
	if (error != NULL) {
		refuse(s, 503, "store", error);
	} else if (call == NULL || call_is_over(call) || call_is_ending(call) || call_sid(call)[0] == '\0') {
		log_warn("a stream with a wrong secret, or of a call that is over, was refused");
		refuse(s, 403, "secret", "The secret in the URL is no live call's.");
	} else if (call_is_browser(call)) {
		take_browser(s, call);
	} else {
		take_twilio(s, call);
	}
}

void streams_take(struct voiced *v, const struct route *route, int fd)
{
	struct stream *s = xcalloc(1, sizeof *s);
	*s = (struct stream){.v = v, .route = *route, .fd = fd};
	elsewhere_find(v, route->token, on_call, s);
}
