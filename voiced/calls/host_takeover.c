#include "voiced/calls/host_takeover.h"

#include "lib/base/log.h"
#include "lib/base/panic.h"
#include "lib/base/secret.h"

#include <stdlib.h>
#include <string.h>

struct finding {
	struct voiced *v;
	char *token;
	elsewhere_fn *fn;
	void *arg;
};

static const char *text_of(const json_t *document, const char *field)
{
	const char *text = json_string_value(json_object_get(document, field));
	return text ? text : "";
}

static bool is_live(const json_t *document)
{
	enum call_status status;
	return call_parse_status(text_of(document, "status"), &status) && status < CALL_COMPLETED;
}

bool elsewhere_token_fits(const json_t *document, const char *token)
{
	char *own = xasprintf("%s%s", text_of(document, "callId"), text_of(document, "secret"));
	bool fits = text_of(document, "secret")[0] != '\0' && secret_equal(own, token);
	free(own);
	return fits;
}

struct call *elsewhere_take(struct voiced *v, const json_t *document)
{
	if (!is_live(document))
		return NULL;
	log_call(LOG_SEV_INFO, text_of(document, "callSid"), "this call was another host's");
	return calls_restore(v->calls, document);
}

static void on_document(void *arg, json_t *document, const char *error)
{
	struct finding *f = arg;
	struct call *call = calls_by_token(f->v->calls, f->token); /* somebody may have been quicker */
	if (call == NULL && error == NULL && is_live(document) && elsewhere_token_fits(document, f->token)) {
		log_call(LOG_SEV_INFO, text_of(document, "callSid"), "this call was placed by another host");
		call = calls_restore(f->v->calls, document);
	}
	f->fn(f->arg, call, error);
	free(f->token);
	free(f);
}

void elsewhere_find(struct voiced *v, const char *token, elsewhere_fn *fn, void *arg)
{
	char id[CALL_ID_LEN + 1];
	struct call *call = calls_by_token(v->calls, token);
	if (call != NULL || strlen(token) <= CALL_ID_LEN) {
		fn(arg, call, NULL);
		return;
	}
	memcpy(id, token, CALL_ID_LEN);
	id[CALL_ID_LEN] = '\0';
	struct finding *f = xcalloc(1, sizeof *f);
	*f = (struct finding){v, xstrdup(token), fn, arg};
	store_get(v->store, STORE_CALLS, "callId", id, on_document, f);
}

struct checking {
	struct voiced *v;
	char *id;
	void (*fn)(struct voiced *v, struct call *call);
};

static void on_checked(void *arg, json_t *document, const char *error)
{
	struct checking *c = arg;
	struct call *call = calls_by_id(c->v->calls, c->id);
	const char *host = text_of(document, "host");
	bool gone = error == NULL && json_is_object(document) &&
		    ((host[0] != '\0' && strcmp(host, c->v->host_id) != 0) || !is_live(document));
	if (call != NULL && gone && call_worker(call) == NULL && !call_is_over(call))
		calls_forget(call);
	else if (call != NULL)
		c->fn(c->v, call);
	free(c->id);
	free(c);
}

void elsewhere_check(struct voiced *v, struct call *call, void (*fn)(struct voiced *v, struct call *call))
{
	struct checking *c = xcalloc(1, sizeof *c);
	*c = (struct checking){v, xstrdup(call_id(call)), fn};
	store_get(v->store, STORE_CALLS, "callId", call_id(call), on_checked, c);
}

static void save(struct voiced *v, struct call *call)
{
	(void)v;
	if (!call_is_over(call))
		call_save(call, NULL, NULL);
}

void elsewhere_save(struct voiced *v, struct call *call)
{
	if (call_worker(call) != NULL || call_is_browser(call))
		save(v, call); /* it is served here */
	else
		elsewhere_check(v, call, save);
}
