/* Twilio's REST API (2010-04-01), a verb each. Answers come on the loop. */
#ifndef PHONY_TWILIO_REST_API_H
#define PHONY_TWILIO_REST_API_H

#include "lib/base/clock.h"
#include "lib/http/client.h"
#include "lib/twilio/outcome.h"

#include <jansson.h>

struct twilio;

enum { TWILIO_NOT_FOUND = 20404 }; /* the code of what is not there */

struct twilio_answer {
	enum twilio_outcome outcome;
	int code;            /* Twilio's error code, 0 if none */
	const char *message; /* Twilio's words and our advice, for a person */
	json_t *body;        /* borrowed; NULL unless TWILIO_DONE */
	long retry_after_s;  /* how long Twilio asks to be left alone, or 0 */
	long http_status;    /* 0: there was no answer */
	long long date_s;    /* Twilio's time, in seconds since 1970, when it was TWILIO_DONE; or 0 */
};
typedef void twilio_answer_fn(void *arg, const struct twilio_answer *answer);

struct twilio_call {
	const char *to, *from; /* E.164 */
	const char *url, *status_callback;
	const char *recording_callback; /* NULL: not recorded */
	const char *machine_detection;  /* NULL, "Enable" or "DetectMessageEnd" */
	const char *amd_callback;
	unsigned ring_timeout_s, time_limit_s;
};

/* All texts are copied; the client must outlive this. timeout_s: of a request. */
struct twilio *twilio_new(struct http_client *http, const char *api_url, const char *account_sid,
			  const char *auth_token, unsigned timeout_s);
void twilio_free(struct twilio **t);

void twilio_create_call(struct twilio *t, const struct twilio_call *call, twilio_answer_fn *fn, void *arg);
/* Ends a call in any state. A call that is over already (21220) is TWILIO_DONE. */
void twilio_end_call(struct twilio *t, const char *sid, twilio_answer_fn *fn, void *arg);
/* The live call goes on with the TwiML of this URL. */
void twilio_redirect_call(struct twilio *t, const char *sid, const char *url, twilio_answer_fn *fn,
			  void *arg);
/* Records both channels of a live call. */
void twilio_record_call(struct twilio *t, const char *sid, const char *callback, twilio_answer_fn *fn,
			void *arg);
/* One that is not there is refused with TWILIO_NOT_FOUND. */
void twilio_delete_recording(struct twilio *t, const char *recording_sid, twilio_answer_fn *fn, void *arg);
/*
 * The audio of a recording (RE and 32 digits), asked of our own account's address,
 * never of one that a webhook named: an address from outside would collect our
 * credentials. answer->body is NULL; bytes are borrowed, and NULL unless TWILIO_DONE.
 * Source: www.twilio.com/docs/voice/api/recording (Fetch a recording's media file).
 */
enum twilio_audio { TWILIO_WAV, TWILIO_MP3 };
typedef void twilio_audio_fn(void *arg, const struct twilio_answer *answer, const char *bytes, size_t len);
void twilio_fetch_recording(struct twilio *t, const char *recording_sid, enum twilio_audio format,
			    twilio_audio_fn *fn, void *arg);
/* Our numbers: body.incoming_phone_numbers; only this one unless number is NULL. */
void twilio_list_numbers(struct twilio *t, const char *number, twilio_answer_fn *fn, void *arg);
/* What Twilio calls for a number, by POST; NULL: left as it is. */
struct twilio_webhooks {
	const char *voice_url, *status_callback, *sms_url;
};
/* Sets the webhooks of a number, by its SID (PN…). */
void twilio_set_webhooks(struct twilio *t, const char *number_sid, const struct twilio_webhooks *w,
			 twilio_answer_fn *fn, void *arg);
/* Of a recording: body.transcriptions. */
void twilio_list_transcriptions(struct twilio *t, const char *recording_sid, twilio_answer_fn *fn, void *arg);
void twilio_fetch_call(struct twilio *t, const char *sid, twilio_answer_fn *fn, void *arg);
/* The newest calls between two numbers since the day (YYYY-MM-DD): body.calls. */
void twilio_find_calls(struct twilio *t, const char *to, const char *from, const char *day,
		       twilio_answer_fn *fn, void *arg);

struct twilio_message {
	const char *to, *from, *body; /* body may be "" with media */
	const json_t *media_urls;     /* an array of texts, or NULL */
	const char *status_callback;
};
/* Asks once: whether to ask again is the outbox's to say. */
void twilio_create_message(struct twilio *t, const struct twilio_message *m, twilio_answer_fn *fn, void *arg);
void twilio_fetch_message(struct twilio *t, const char *sid, twilio_answer_fn *fn, void *arg);
/* The newest messages between two numbers: body.messages. */
void twilio_find_messages(struct twilio *t, const char *to, const char *from, twilio_answer_fn *fn,
			  void *arg);
/* Twilio's own check of the credentials: the account. */
void twilio_fetch_account(struct twilio *t, twilio_answer_fn *fn, void *arg);

/* SM or MM and 32 hexadecimal digits. */
bool twilio_is_message_sid(const char *text);
/* RFC 2822, as Twilio writes dates: "Tue, 24 Nov 2026 16:40:03 +0000". */
bool twilio_date(const char *text, struct wall_ms *out);

/* Whether text is the SID of a call: CA and 32 hexadecimal digits. */
bool twilio_is_call_sid(const char *text);
/* RE and 32 hexadecimal digits. */
bool twilio_is_recording_sid(const char *text);

#endif
