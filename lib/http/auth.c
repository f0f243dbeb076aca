#include "lib/http/auth.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"
#include "lib/http/json_api.h"
#include "lib/http/origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COOKIE "phony_session"

enum {
	SESSION_S = 30 * 24 * 3600,
	NONCE_LEN = 16,
	GUESS_COST = 10, /* a wrong token takes as much of the source's rate as so many requests */
};

/* "EXPIRY.NONCE.SIGNATURE"; the caller frees. */
static char *make_session(const struct config *config, int64_t expires_s)
{
	char nonce[NONCE_LEN + 1], signature[SECRET_SIGNATURE_SIZE];
	secret_make(nonce, NONCE_LEN);
	char *text = xasprintf("%lld.%s", (long long)expires_s, nonce);
	secret_sign(config->api_token, text, signature);
	char *session = xasprintf("%s.%s", text, signature);
	free(text);
	return session;
}

static bool session_is_valid(const struct config *config, const char *session)
{
	char text[128], signature[SECRET_SIGNATURE_SIZE];
	const char *dot = strrchr(session, '.');
	if (dot == NULL || (size_t)(dot - session) >= sizeof text)
		return false;
	snprintf(text, sizeof text, "%.*s", TEXT_SPAN(session, dot - session));
	secret_sign(config->api_token, text, signature);
	return secret_equal(signature, dot + 1) && strtoll(text, NULL, 10) > wall_now().ms / 1000;
}

static bool has_session(struct http_request *r, const struct config *config)
{
	char session[256];
	return http_cookie(r, COOKIE, session, sizeof session) && session_is_valid(config, session);
}

static bool has_token(struct http_request *r, const struct config *config)
{
	static const char scheme[] = "Bearer ";
	const char *header = http_header(r, "Authorization");
	/* RFC 9110, 11.1: a scheme's case does not matter. */
	if (header == NULL || strncasecmp(header, scheme, sizeof scheme - 1) != 0)
		return false;
	header += sizeof scheme - 1;
	return secret_equal(header + strspn(header, " "), config->api_token);
}

bool auth_is_known(struct http_request *r, const struct config *config)
{
	return has_token(r, config) || has_session(r, config);
}

static bool is_safe(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/*
 * The browser says which page asks: ours. A cookie alone says nothing of that: it goes along with what
 * pages of every other port of this host ask (RFC 6265, 8.5), which are no pages of ours.
 */
static bool is_our_page(struct http_request *r, const struct config *config)
{
	const char *origin = http_header(r, "Origin"), *site = http_header(r, "Sec-Fetch-Site");
	if (origin != NULL)
		return origin_is_url(origin, config->public_url) || origin_is_host(r, origin);
	return site != NULL && strcmp(site, "same-origin") == 0;
}

static bool within_rate(struct http_request *r, unsigned cost)
{
	if (http_rate_take(r, cost))
		return true;
	http_header_add(r, "Retry-After: 1");
	http_reply_error(
		r, 429, "too_many",
		"Too many requests come from your address; wait a second (MAX_REQUESTS_PER_SECOND).");
	return false;
}

bool auth_admit(struct http_request *r, const struct config *config)
{
	if (!within_rate(r, 1))
		return false;
	if (has_token(r, config))
		return true;
	if (has_session(r, config)) {
		if (is_safe(http_method(r)) || is_our_page(r, config))
			return true;
		http_reply_error(r, 403, "csrf",
				 "A session is for phony's own pages; programs send Authorization: Bearer.");
		return false;
	}
	if (within_rate(r, GUESS_COST))
		http_reply_error(
			r, 401, "unauthorized",
			"Send Authorization: Bearer API_TOKEN; the token is in STATE_DIR/api-token.");
	return false;
}

static void set_cookie(struct http_request *r, const char *value, long age_s)
{
	char *line = xasprintf("Set-Cookie: " COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%ld%s",
			       value, age_s, http_is_tls(r) ? "; Secure" : "");
	http_header_add(r, line);
	free(line);
}

static void begin_session(struct http_request *r, const struct config *config)
{
	size_t len;
	char why[200];
	const char *body = http_body(r, &len), *token = "";
	struct json_reader reader;
	if (!origin_is_ours(r, config->public_url) || !within_rate(r, 1))
		return;
	if (!http_is_json(r)) {
		http_reply_error(r, 415, "content_type",
				 "Send the body with Content-Type: application/json.");
		return;
	}
	if (http_header(r, "Origin") != NULL && !is_our_page(r, config)) {
		http_reply_error(r, 403, "origin", "A session begins on phony's own pages.");
		return;
	}
	json_t *given = json_parse_object(body, len, why, sizeof why);
	json_read_open(&reader, given);
	json_read_text(&reader, "token", JSON_NEEDED, 1, 256, &token);
	json_read_close(&reader, JSON_OTHERS_LOGGED);
	if (given == NULL || !json_read_ok(&reader)) {
		http_reply_error(r, 400, "invalid", given ? reader.faults : why);
	} else if (secret_equal(token, config->api_token)) {
		char *session = make_session(config, wall_now().ms / 1000 + SESSION_S);
		set_cookie(r, session, SESSION_S);
		free(session);
		http_reply_json(r, 200, json_build("{s:b}", "signedIn", 1));
	} else if (within_rate(r, GUESS_COST)) {
		http_reply_error(r, 401, "unauthorized",
				 "This is not the token; it is API_TOKEN, or in STATE_DIR/api-token.");
	}
	json_decref(given);
}

bool auth_serve_session(struct http_request *r, const struct config *config)
{
	const char *method = http_method(r);
	if (strcmp(http_path(r), "/api/session") != 0)
		return false;
	if (strcmp(method, "POST") == 0) {
		begin_session(r, config);
	} else if (strcmp(method, "DELETE") == 0) {
		if (auth_admit(r, config)) {
			set_cookie(r, "", 0);
			http_reply_json(r, 200, json_build("{s:b}", "signedIn", 0));
		}
	} else if (http_method_is(r, "GET")) {
		if (within_rate(r, 1))
			http_reply_json(r, 200, json_build("{s:b}", "signedIn", auth_is_known(r, config)));
	}
	return true;
}
