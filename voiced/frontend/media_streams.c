#include "voiced/frontend/media_streams.h"

#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/store/result.h"
#include "lib/twilio/signature.h"
#include "voiced/calls/browser_call.h"
#include "voiced/calls/history.h"
#include "voiced/calls/host_takeover.h"
#include "voiced/frontend/accept.h"
#include "voiced/workers/agent_address.h"
#include "voiced/workers/pool.h"

#include <stdlib.h>
#include <unistd.h>

struct stream {
	struct voiced *v;
	struct route route;
	int64_t attempt; /* the call's, when it came */
	int fd;
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

/*
 * Two processes never write under one attempt: of a call's streams the first of
 * the last attempt is served.
 */
static bool is_overtaken(const struct stream *s, const struct call *call)
{
	return call_attempt(call) != s->attempt || worker_serves(call, s->attempt) ||
	       call_has_streamed(call, s->attempt);
}

static void refuse_overtaken(struct stream *s, const struct call *call)
{
	log_call(LOG_SEV_WARN, call_sid(call), "a stream was refused: the call goes on with another");
	refuse(s, 409, "superseded", "The call goes on with another stream.");
}

static void on_history(void *arg, struct call *call, bool ending)
{
	struct stream *s = arg;
	if (ending)
		refuse(s, 503, "ending", "phony is shutting down; try again.");
	else if (call == NULL)
		refuse(s, 403, "secret", "The secret in the URL is no live call's.");
	else if (is_overtaken(s, call))
		refuse_overtaken(s, call);
	else
		serve(s, call);
}

/* What was said before its stream broke, the call's next process is to know. */
static void take(struct stream *s, struct call *call)
{
	s->attempt = call_attempt(call);
	call_take(call);
	if (is_overtaken(s, call))
		refuse_overtaken(s, call);
	else if (s->attempt > 0)
		history_read(s->v, call, on_history, s);
	else
		serve(s, call);
}

static void take_browser(struct stream *s, struct call *call)
{
	const char *why = browser_connect(call, s->route.target);
	if (why != NULL) {
		refuse(s, 409, "over", why);
		return;
	}
	take(s, call);
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
	take(s, call);
}

static void on_call(void *arg, struct call *call, const char *error)
{
	struct stream *s = arg;
	if (error != NULL) {
		refuse(s, answer_store_status(error), "store", error);
	} else if (call == NULL || call_is_over(call) || call_is_ending(call) || call_sid(call)[0] == '\0') {
		LOG_OUTSIDE(LOG_SEV_WARN,
			    "a stream with a wrong secret, or of a call that is over, was refused");
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
