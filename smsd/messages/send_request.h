/* What every way of sending reads and checks: the text, its template, media, the sender. */
#ifndef PHONY_SMSD_MESSAGES_SEND_REQUEST_H
#define PHONY_SMSD_MESSAGES_SEND_REQUEST_H

#include "lib/base/json_read.h"
#include "lib/base/reply.h"
#include "smsd/smsd.h"

/* A message as asked for; texts are borrowed from the arguments. */
struct wish {
	const char *from, *body, *template_name;
	json_t *media_urls, *fields;
	int64_t send_at;
};

/* Reads fromNumber, body, mediaUrls, template, fields and, if it may be sent later, sendAt. */
void wish_read(struct smsd *s, struct json_reader *r, struct wish *w, bool later);
/* Whether this number may send (SMS_ENABLED_NUMBERS). */
bool wish_enabled(const struct smsd *s, const char *number);
/* TWILIO_NUMBER, or the first of SMS_ENABLED_NUMBERS when that may not send. Owned by the caller. */
char *wish_default_sender(const struct smsd *s);

/*
 * The body, spaces around it cut, template filled in. NULL with a sentence in
 * why when it is empty without media, too long, or a field is missing. The
 * caller frees. template_body is NULL unless there is a template.
 */
char *wish_body(const struct wish *w, const char *template_body, const json_t *fields, char *why,
		size_t size);

/* The {{names}} that a template has: an array of texts. Owned by the caller. */
json_t *wish_fields(const char *template_body);

#endif
