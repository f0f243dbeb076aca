/* TwiML documents, verb by verb into a buffer; texts are escaped here. */
#ifndef PHONY_TWILIO_TWIML_H
#define PHONY_TWILIO_TWIML_H

#include "lib/base/buffer.h"

struct twiml_parameter {
	const char *name, *value;
};

void twiml_open(struct buffer *b);
void twiml_close(struct buffer *b);
void twiml_say(struct buffer *b, const char *text);
void twiml_hangup(struct buffer *b);
/* A tone, then what the caller says, up to max_s seconds or the # key; action gets the recording. */
void twiml_record(struct buffer *b, const char *action, const char *transcribed, unsigned max_s);
/* Connects the call with a number; action is asked when that has ended, or could not be. */
void twiml_dial(struct buffer *b, const char *number, const char *caller_id, const char *action);
void twiml_redirect(struct buffer *b, const char *url);
/* <Connect><Stream>: parameters end with a NULL name. */
void twiml_connect_stream(struct buffer *b, const char *url, const struct twiml_parameter *parameters);

#endif
