#include "voiced/http_routes.h"

#include "lib/base/form.h"
#include "lib/base/json_build.h"
#include "lib/http/auth.h"
#include "lib/http/json_api.h"
#include "lib/store/result.h"
#include "voiced/api/sse.h"
#include "voiced/api/stats.h"
#include "voiced/numbers/voicemail_audio.h"
#include "voiced/retention/recordings.h"
#include "voiced/shared/public_url_proof.h"
#include "voiced/web_ui.h"

#include <string.h>

static void on_checked(void *arg, json_t *result, const char *error)
{
	struct http_request *r = arg;
	json_t *spooled = json_object_get(result, "spooled");
	if (answer_store_error(http_reply_to(r), error))
		return;
	if (json_integer_value(spooled) > 0)
		/* Everything is served; what is written waits on local disk for the database. */
		http_reply_json(r, 200,
				json_build("{s:s, s:s, s:O}", "status", "degraded", "message",
					   "The database is away; writes are kept on local disk.", "spooled",
					   spooled));
	else
		http_reply_json(r, 200, json_build("{s:s}", "status", "ready"));
}

/*
 * Proves to `phony doctor`, which asks by way of PUBLIC_URL, that it is this phony
 * that answers there: one with the same TWILIO_AUTH_TOKEN. Told to anybody.
 */
static bool serve_proof(struct voiced *v, struct http_request *r)
{
	char proof[SECRET_SIGNATURE_SIZE];
	struct form query = {0};
	if (strcmp(http_path(r), PROOF_PATH) != 0)
		return false;
	if (!http_method_is(r, "GET"))
		return true;
	form_parse(http_query(r), strlen(http_query(r)), &query);
	const char *nonce = form_get(&query, "nonce");
	if (nonce == NULL || strlen(nonce) != PROOF_NONCE_LEN) {
		http_reply_error(r, 400, "invalid", "nonce is missing, or has not the right length.");
	} else {
		proof_make(v->config, nonce, proof);
		http_reply_json(r, 200, json_build("{s:s}", "proof", proof));
	}
	form_free(&query);
	return true;
}

bool routes_system(struct voiced *v, struct http_request *r)
{
	bool health = strcmp(http_path(r), "/health") == 0, metrics = strcmp(http_path(r), "/metrics") == 0;
	if (!health && !metrics && strcmp(http_path(r), "/ready") != 0)
		return false;
	if (!http_method_is(r, "GET"))
		return true;
	if (!http_from_loopback(r) && !auth_admit(r, v->config))
		return true;
	if (metrics)
		stats_metrics(v, r);
	else if (health)
		http_reply_json(r, 200, json_build("{s:s}", "status", "ok"));
	else if (v->draining)
		http_reply_error(r, 503, "ending", "phony is shutting down.");
	else
		store_check(v->store, on_checked, r);
	return true;
}

void routes_handle(struct http_request *r, void *arg)
{
	struct voiced *v = arg;
	if (serve_proof(v, r) || routes_twilio(v, r) || auth_serve_session(r, v->config) ||
	    recordings_serve(v, r) || voicemail_audio_serve(v, r) || live_serve(v, r) || routes_api(v, r) ||
	    routes_system(v, r) || pages_serve(r))
		return;
	http_reply_error(r, 404, "not_found", "Nothing is served at this address.");
}
