#include "voiced/streams.h"

#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/twilio/signature.h"
#include "voiced/agent.h"
#include "voiced/door.h"
#include "voiced/elsewhere.h"
#include "voiced/workers.h"

#include <stdlib.h>
#include <unistd.h>

struct stream {
	struct voiced *v;
	struct route route;
	int fd;
};

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

static void on_history(void *arg, json_t *result, const char *error)
{
	struct stream *s = arg;
	struct call *call = calls_by_token(s->v->calls, s->route.token);
	if (call == NULL) {
		door_refuse(s->fd, 403, "secret", "The secret in the URL is no live call's.");
		free(s);
		return;
	}
	if (error == NULL)
		call_set_history(call, json_object_get(result, "documents"));
	serve(s, call);
}

static void on_call(void *arg, struct call *call, const char *error)
{
	struct stream *s = arg;
	struct voiced *v = s->v;
	if (error != NULL) {
		door_refuse(s->fd, 503, "store", error);
	} else if (call == NULL || call_is_over(call) || call_is_ending(call) || call_sid(call)[0] == '\0') {
		log_warn("a stream with a wrong secret, or of a call that is over, was refused");
		door_refuse(s->fd, 403, "secret", "The secret in the URL is no live call's.");
	} else if (!twilio_stream_signature_valid(v->config->twilio_auth_token, v->config->public_url,
						  s->route.target, s->route.signature)) {
		log_call(LOG_SEV_WARN, call_sid(call), "a stream with a wrong signature was refused");
		door_refuse(s->fd, 403, "signature", "X-Twilio-Signature is wrong or missing.");
	} else {
		call_take(call);
		/* What another host has prepared when it answered for this call is not here. */
		if (call_attempt(call) > 0 && json_array_size(call_history(call)) == 0) {
			store_turns(v->store, call_id(call), on_history, s);
			return;
		}
		serve(s, call);
		return;
	}
	free(s);
}

void streams_take(struct voiced *v, const struct route *route, int fd)
{
	struct stream *s = xcalloc(1, sizeof *s);
	*s = (struct stream){v, *route, fd};
	elsewhere_find(v, route->token, on_call, s);
}
