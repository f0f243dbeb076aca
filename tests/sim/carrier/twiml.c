/* TwiML, as far as calls need it, read strictly: what is not known is a violation. */
#include "tests/sim/carrier/carrier.h"

#include "tests/sim/common/report.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	const char *at, *who;
	bool broken;
};

static void broken(struct reader *r, const char *why)
{
	if (!r->broken)
		violation(r->who, "TwiML: %s at \"%.60s\"", why, r->at);
	r->broken = true;
}

static bool take(struct reader *r, const char *text)
{
	size_t len = strlen(text);
	if (strncmp(r->at, text, len) != 0)
		return false;
	r->at += len;
	return true;
}

static void skip_space(struct reader *r)
{
	while (isspace((unsigned char)*r->at))
		r->at++;
}

/* Text up to `stop`, entities decoded; allocated. */
static char *read_text(struct reader *r, char stop)
{
	static const struct {
		const char *name;
		char c;
	} entities[] = {{"&amp;", '&'},  {"&lt;", '<'},    {"&gt;", '>'},
			{"&quot;", '"'}, {"&apos;", '\''}, {"&#10;", '\n'}};
	char *out = calloc(1, strlen(r->at) + 1), *o = out;
	while (*r->at != '\0' && *r->at != stop) {
		if (*r->at == '<') {
			broken(r, "an unescaped <");
			break;
		}
		if (*r->at != '&') {
			*o++ = *r->at++;
			continue;
		}
		bool known = false;
		for (size_t i = 0; !known && i < sizeof entities / sizeof *entities; i++)
			if (take(r, entities[i].name)) {
				*o++ = entities[i].c;
				known = true;
			}
		if (!known) {
			broken(r, "an unknown entity");
			break;
		}
	}
	return out;
}

/* name="value"; allocated, or NULL when there is none. */
static char *read_attribute(struct reader *r, char name[32])
{
	skip_space(r);
	size_t len = strspn(r->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	if (len == 0 || len >= 32)
		return NULL;
	snprintf(name, 32, "%.*s", (int)len, r->at);
	r->at += len;
	if (!take(r, "=\"")) {
		broken(r, "an attribute without a value");
		return NULL;
	}
	char *value = read_text(r, '"');
	if (!take(r, "\""))
		broken(r, "an open attribute");
	return value;
}

static void read_parameter(struct reader *r, struct twiml_verb *v)
{
	char attribute[32], *value, *name = NULL, *content = NULL;
	while ((value = read_attribute(r, attribute)) != NULL) {
		if (strcmp(attribute, "name") == 0)
			name = value;
		else if (strcmp(attribute, "value") == 0)
			content = value;
		else
			broken(r, "an unknown attribute of Parameter");
	}
	skip_space(r);
	if (!take(r, "/>") || name == NULL || content == NULL) {
		broken(r, "a Parameter that lacks name, value or its end");
		return;
	}
	if (strlen(name) + strlen(content) >= 500)
		broken(r, "a Parameter of 500 characters or more");
	json_object_set_new(v->parameters, name, json_string(content));
	free(name);
	free(content);
}

static void read_stream(struct reader *r, struct twiml_verb *v)
{
	char attribute[32], *value;
	v->parameters = json_object();
	skip_space(r);
	if (!take(r, "<Stream"))
		broken(r, "Connect without Stream");
	while (!r->broken && (value = read_attribute(r, attribute)) != NULL) {
		if (strcmp(attribute, "url") == 0)
			v->url = value;
		else if (strcmp(attribute, "name") && strcmp(attribute, "track") &&
			 strcmp(attribute, "statusCallback") && strcmp(attribute, "statusCallbackMethod"))
			broken(r, "an unknown attribute of Stream");
	}
	bool loopback = v->url && strncmp(v->url, "ws://127.0.0.1", 14) == 0;
	if (v->url == NULL || (strncmp(v->url, "wss://", 6) != 0 && !loopback) || strchr(v->url, '?'))
		broken(r, "a Stream's url must be wss and have no query");
	skip_space(r);
	if (take(r, "/>"))
		return;
	if (!take(r, ">"))
		broken(r, "an open Stream");
	for (skip_space(r); !r->broken && take(r, "<Parameter"); skip_space(r))
		read_parameter(r, v);
	if (!take(r, "</Stream>"))
		broken(r, "Stream is not closed");
}

static void read_verb(struct reader *r, struct twiml *t)
{
	static const char *const known[] = {"Connect", "Redirect", "Say", "Hangup", "Pause", "Record", "Dial", "Play"};
	struct twiml_verb *v = &t->verbs[t->count++];
	char attribute[32], *value, end[32];
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strncmp(r->at, known[i], strlen(known[i])) == 0)
			snprintf(v->name, sizeof v->name, "%s", known[i]);
	if (v->name[0] == '\0') {
		broken(r, "an unknown verb");
		return;
	}
	r->at += strlen(v->name);
	while ((value = read_attribute(r, attribute)) != NULL) {
		static const char *const names[] = {
			"method", "voice", "language", "loop", "length", "action", "timeout", "finishOnKey",
			"maxLength", "playBeep", "trim", "transcribe", "transcribeCallback",
			"recordingStatusCallback", "recordingStatusCallbackEvent", "callerId", "timeLimit",
			"answerOnBridge"};
		bool ok = false;
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			ok = ok || strcmp(attribute, names[i]) == 0;
		if (!ok)
			broken(r, "an unknown attribute");
		if (v->attributes == NULL)
			v->attributes = json_object();
		json_object_set_new(v->attributes, attribute, json_string(value));
		free(value);
	}
	skip_space(r);
	if (take(r, "/>")) {
		if (strcmp(v->name, "Hangup") != 0 && strcmp(v->name, "Pause") != 0 && strcmp(v->name, "Record") != 0)
			broken(r, "a verb that is empty");
		return;
	}
	if (!take(r, ">"))
		broken(r, "an open verb");
	if (strcmp(v->name, "Connect") == 0)
		read_stream(r, v);
	else
		v->text = read_text(r, '<');
	skip_space(r);
	snprintf(end, sizeof end, "</%s>", v->name);
	if (!take(r, end))
		broken(r, "a verb that is not closed");
}

struct twiml *twiml_read(const char *text, const char *who)
{
	struct twiml *t = calloc(1, sizeof *t);
	struct reader r = {text, who, false};
	take(&r, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
	skip_space(&r);
	if (!take(&r, "<Response>") && !take(&r, "<Response/>"))
		broken(&r, "no Response");
	for (skip_space(&r); !r.broken && *r.at == '<' && r.at[1] != '/' && t->count < 16; skip_space(&r)) {
		r.at++;
		read_verb(&r, t);
	}
	if (!r.broken && !take(&r, "</Response>"))
		broken(&r, "Response is not closed");
	skip_space(&r);
	if (!r.broken && *r.at != '\0')
		broken(&r, "something after Response");
	return t;
}

void twiml_free(struct twiml *t)
{
	for (size_t i = 0; t != NULL && i < t->count; i++) {
		free(t->verbs[i].url);
		free(t->verbs[i].text);
		json_decref(t->verbs[i].parameters);
		json_decref(t->verbs[i].attributes);
	}
	free(t);
}
