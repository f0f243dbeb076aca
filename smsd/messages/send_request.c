#include "smsd/messages/send_request.h"

#include "lib/base/buffer.h"
#include "lib/base/clock.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "smsd/messages/messages.h"
#include "smsd/messages/segments.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { URL_BYTES = 2048 };

static bool is_web_url(const char *url)
{
	const char *host = strncmp(url, "https://", 8) == 0  ? url + 8
			   : strncmp(url, "http://", 7) == 0 ? url + 7
							     : NULL;
	if (host == NULL || strchr("/?#:", *host) != NULL)
		return false;
	for (; *url != '\0'; url++)
		if ((unsigned char)*url <= ' ' || *url == '"' || *url == '<' || *url == '>' || *url == 0x7f)
			return false;
	return true;
}

bool wish_enabled(const struct smsd *s, const char *number)
{
	const char *list = s->config->sms_enabled_numbers;
	size_t len = strlen(number);
	if (list[0] == '\0')
		return strcmp(number, s->config->twilio_number) == 0;
	for (const char *at = list; (at = strstr(at, number)) != NULL; at += len) {
		bool begins = at == list || at[-1] == ',' || at[-1] == ' ';
		if (begins && (at[len] == '\0' || at[len] == ',' || at[len] == ' '))
			return true;
	}
	return false;
}

char *wish_default_sender(const struct smsd *s)
{
	const char *list = s->config->sms_enabled_numbers + strspn(s->config->sms_enabled_numbers, " ,");
	if (wish_enabled(s, s->config->twilio_number))
		return xstrdup(s->config->twilio_number);
	return xasprintf("%.*s", TEXT_SPAN(list, strcspn(list, " ,")));
}

void wish_read(struct smsd *s, struct json_reader *r, struct wish *w, bool later)
{
	const int64_t year_ms = 366LL * 86400000;
	size_t i;
	json_t *url;
	*w = (struct wish){.from = s->default_sender, .body = ""};
	json_read_number(r, "fromNumber", JSON_OPTIONAL, &w->from);
	json_read_text(r, "body", JSON_OPTIONAL, 0, MESSAGE_BYTES, &w->body);
	json_read_texts(r, "mediaUrls", JSON_OPTIONAL, 0, MESSAGE_MEDIA, URL_BYTES, &w->media_urls);
	json_read_text(r, "template", JSON_OPTIONAL, 1, 100, &w->template_name);
	json_read_object(r, "fields", JSON_OPTIONAL, &w->fields);
	if (later)
		json_read_moment(r, "sendAt", JSON_OPTIONAL, &w->send_at);
	if (w->send_at != 0 && w->send_at < wall_now().ms)
		json_read_fault(r, "sendAt is in the past; leave it out to send now");
	if (w->send_at > wall_now().ms + year_ms)
		json_read_fault(r, "sendAt is more than a year away");
	if (w->template_name != NULL && w->body[0] != '\0')
		json_read_fault(r, "give body or template, not both");
	json_array_foreach (w->media_urls, i, url)
		if (!is_web_url(json_string_value(url)))
			json_read_fault(r, "mediaUrls: %.*s is no http or https URL",
					TEXT_CUT(json_string_value(url), 100));
	if (!wish_enabled(s, w->from))
		json_read_fault(
			r,
			"SMS sending is not enabled for number %s. Only numbers of SMS_ENABLED_NUMBERS "
			"(or TWILIO_NUMBER when that is not set) can send SMS.",
			w->from);
}

/* The name in "{{ name }}" at `at`, and where the text goes on; NULL when it is none. */
static const char *placeholder(const char *at, char name[64])
{
	size_t len = 0;
	if (strncmp(at, "{{", 2) != 0)
		return NULL;
	at += 2;
	at += strspn(at, " ");
	while (isalnum((unsigned char)at[len]) || at[len] == '_')
		len++;
	if (len == 0 || len >= 64)
		return NULL;
	snprintf(name, 64, "%.*s", TEXT_SPAN(at, len));
	at += len;
	at += strspn(at, " ");
	return strncmp(at, "}}", 2) == 0 ? at + 2 : NULL;
}

json_t *wish_fields(const char *template_body)
{
	json_t *names = json_array();
	for (const char *at = template_body; *at != '\0';) {
		char name[64];
		const char *next = placeholder(at, name);
		size_t i;
		json_t *known;
		bool seen = next == NULL;
		json_array_foreach (names, i, known)
			seen = seen || strcmp(json_string_value(known), name) == 0;
		if (!seen)
			json_array_append_new(names, json_text(name));
		at = next ? next : at + 1;
	}
	return names;
}

static bool fill(struct buffer *out, const char *template_body, const json_t *fields, char *why, size_t size)
{
	for (const char *at = template_body; *at != '\0';) {
		char name[64];
		const char *next = placeholder(at, name);
		const json_t *value = next ? json_object_get(fields, name) : NULL;
		if (next == NULL) {
			buffer_append(out, at++, 1);
			continue;
		}
		int64_t whole;
		if (!json_is_string(value) && !json_whole(value, &whole)) {
			text_printf(why, size, "fields: %s is missing, or no text; the template has {{%s}}",
				    name, name);
			return false;
		}
		if (json_is_string(value)) {
			buffer_append_text(out, json_string_value(value));
		} else {
			char number[24];
			snprintf(number, sizeof number, "%lld", (long long)whole);
			buffer_append_text(out, number);
		}
		at = next;
	}
	return true;
}

char *wish_body(const struct wish *w, const char *template_body, const json_t *fields, char *why, size_t size)
{
	struct buffer text = {0};
	if (template_body == NULL)
		buffer_append_text(&text, w->body);
	else if (!fill(&text, template_body, fields, why, size)) {
		buffer_free(&text);
		return NULL;
	}
	while (text.len > 0 && isspace(text.data[text.len - 1]))
		text.len--;
	size_t start = 0;
	while (start < text.len && isspace(text.data[start]))
		start++;
	char *body =
		xasprintf("%.*s", TEXT_SPAN(text.data ? (char *)text.data + start : "", text.len - start));
	size_t characters = segments_characters(body);
	buffer_free(&text);
	if (characters > MESSAGE_CHARACTERS)
		text_printf(why, size, "body: SMS body too long (%zu characters). Maximum is %d characters.",
			    characters, MESSAGE_CHARACTERS);
	else if (body[0] == '\0' && json_array_size(w->media_urls) == 0)
		text_printf(why, size,
			    "Either message body or media URLs are required: give body or mediaUrls");
	else
		return body;
	free(body);
	return NULL;
}
