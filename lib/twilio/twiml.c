#include "lib/twilio/twiml.h"

#include <stdio.h>

/* Escapes for text and attributes; characters XML 1.0 cannot have are left out. */
static void append_escaped(struct buffer *b, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		switch (c) {
		case '&':
			buffer_append_text(b, "&amp;");
			break;
		case '<':
			buffer_append_text(b, "&lt;");
			break;
		case '>':
			buffer_append_text(b, "&gt;");
			break;
		case '"':
			buffer_append_text(b, "&quot;");
			break;
		case '\t':
		case '\n':
		case '\r':
			buffer_append_text(b, "&#10;");
			break;
		default:
			if (c >= ' ')
				buffer_append(b, text, 1);
		}
	}
}

void twiml_open(struct buffer *b)
{
	buffer_append_text(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response>");
}

void twiml_close(struct buffer *b)
{
	buffer_append_text(b, "</Response>");
}

void twiml_say(struct buffer *b, const char *text)
{
	buffer_append_text(b, "<Say>");
	append_escaped(b, text);
	buffer_append_text(b, "</Say>");
}

void twiml_hangup(struct buffer *b)
{
	buffer_append_text(b, "<Hangup/>");
}

static void append_attribute(struct buffer *b, const char *name, const char *value)
{
	buffer_append_text(b, " ");
	buffer_append_text(b, name);
	buffer_append_text(b, "=\"");
	append_escaped(b, value);
	buffer_append_text(b, "\"");
}

void twiml_record(struct buffer *b, const char *action, const char *transcribed, unsigned max_s)
{
	char seconds[16];
	snprintf(seconds, sizeof seconds, "%u", max_s);
	buffer_append_text(b, "<Record");
	append_attribute(b, "action", action);
	append_attribute(b, "method", "POST");
	append_attribute(b, "maxLength", seconds);
	append_attribute(b, "finishOnKey", "#");
	append_attribute(b, "playBeep", "true");
	append_attribute(b, "transcribe", "true");
	append_attribute(b, "transcribeCallback", transcribed);
	buffer_append_text(b, "/>");
}

void twiml_dial(struct buffer *b, const char *number, const char *caller_id, const char *action)
{
	buffer_append_text(b, "<Dial");
	append_attribute(b, "callerId", caller_id);
	append_attribute(b, "action", action);
	append_attribute(b, "method", "POST");
	buffer_append_text(b, ">");
	append_escaped(b, number);
	buffer_append_text(b, "</Dial>");
}

void twiml_redirect(struct buffer *b, const char *url)
{
	buffer_append_text(b, "<Redirect method=\"POST\">");
	append_escaped(b, url);
	buffer_append_text(b, "</Redirect>");
}

void twiml_connect_stream(struct buffer *b, const char *url, const struct twiml_parameter *parameters)
{
	buffer_append_text(b, "<Connect><Stream url=\"");
	append_escaped(b, url);
	buffer_append_text(b, "\">");
	for (; parameters->name != NULL; parameters++) {
		buffer_append_text(b, "<Parameter name=\"");
		append_escaped(b, parameters->name);
		buffer_append_text(b, "\" value=\"");
		append_escaped(b, parameters->value);
		buffer_append_text(b, "\"/>");
	}
	buffer_append_text(b, "</Stream></Connect>");
}
