/*
 * Who may use the API: whoever shows API_TOKEN, as a bearer token or, in the
 * browser, by the session that was begun with it. A session is a signed text, so
 * that every process and every host with the same token knows it, and a new
 * token ends all of them.
 */
#ifndef PHONY_HTTP_AUTH_H
#define PHONY_HTTP_AUTH_H

#include "lib/config/config.h"
#include "lib/http/server.h"

/*
 * False: the request was answered, with 429 (too many from there), 401 (no or a
 * wrong token), or 403 (a session's cookie, but from a page that is not ours).
 */
bool auth_admit(struct http_request *r, const struct config *config);

/* Whether it shows the token or a session, without an answer. */
bool auth_is_known(struct http_request *r, const struct config *config);

/* Serves /api/session: POST {"token"} begins one, GET asks for it, DELETE ends it. False: another path. */
bool auth_serve_session(struct http_request *r, const struct config *config);

#endif
