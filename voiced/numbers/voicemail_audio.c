#include "voiced/numbers/voicemail_audio.h"

#include "lib/base/base64.h"
#include "lib/base/json_build.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/http/auth.h"
#include "lib/http/json_api.h"
#include "lib/store/result.h"
#include "lib/twilio/rest_api.h"
#include "voiced/numbers/voicemail.h"

#include <stdlib.h>
#include <string.h>

enum { SID_LEN = 34, FRAME_AUDIO_MAX = 700 * 1024 }; /* in base64 with its frame's JSON below 1 MiB */

/* One request for a voicemail's audio, over HTTP (request) or a control socket (reply). */
struct audio_request {
	struct voiced *v;
	struct http_request *request; /* or NULL */
	struct reply reply;
	char sid[SID_LEN + 1];
};

static void audio_fail(struct audio_request *a, int http_status, const char *code, const char *message)
{
	a->reply.fail(a->reply.arg, http_status, code, message);
	free(a);
}

static void audio_send_base64(struct audio_request *a, const char *bytes, size_t len)
{
	if (len > FRAME_AUDIO_MAX) {
		char message[200];
		text_printf(message, sizeof message,
			    "This voicemail is too long to be passed on here (%zu bytes of MP3, at most %d); "
			    "fetch "
			    "GET /api/voicemails/%s/recording.",
			    len, FRAME_AUDIO_MAX, a->sid);
		audio_fail(a, 413, "too_large", message);
		return;
	}
	char *text = xcalloc(1, BASE64_LEN(len) + 1);
	base64_encode(bytes, len, text);
	answer_success(a->reply, 200,
		       json_build("{s:s, s:s, s:s}", "recordingSid", a->sid, "mimeType", "audio/mpeg",
				  "base64", text),
		       "%zu bytes of audio", len);
	free(text);
	free(a);
}

static void on_audio(void *arg, const struct twilio_answer *answer, const char *bytes, size_t len)
{
	struct audio_request *a = arg;
	if (answer->outcome == TWILIO_REFUSED && answer->code != 0) {
		audio_fail(a, 404, "not_found", answer->message);
	} else if (answer->outcome != TWILIO_DONE) {
		audio_fail(a, 502, "twilio", answer->message);
	} else if (a->request == NULL) {
		audio_send_base64(a, bytes, len);
	} else {
		http_reply(a->request, 200, "audio/wav", bytes, len, "Cache-Control: private, max-age=3600");
		free(a);
	}
}

static void on_voicemail(void *arg, json_t *document, const char *error)
{
	struct audio_request *a = arg;
	if (answer_store_error(a->reply, error))
		free(a);
	else if (!json_is_object(document))
		audio_fail(a, 404, "not_found", "No voicemail has this recordingSid.");
	else
		twilio_fetch_recording(a->v->twilio, a->sid, a->request ? TWILIO_WAV : TWILIO_MP3, on_audio,
				       a);
}

static void audio_look_up(struct voiced *v, struct http_request *request, struct reply reply, const char *sid)
{
	struct audio_request *a = xcalloc(1, sizeof *a);
	*a = (struct audio_request){.v = v, .request = request, .reply = reply};
	text_copy(a->sid, sizeof a->sid, sid, strlen(sid));
	store_get(v->store, STORE_VOICEMAILS, "recordingSid", a->sid, on_voicemail, a);
}

void voicemail_audio_get(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *sid = voicemail_read_sid(&r, args);
	if (!answer_faults(reply, &r))
		audio_look_up(v, NULL, reply, sid);
}

bool voicemail_audio_serve(struct voiced *v, struct http_request *r)
{
	static const char before[] = "/api/voicemails/", after[] = "/recording";
	const char *path = http_path(r), *sid = path + sizeof before - 1;
	if (strncmp(path, before, sizeof before - 1) != 0 || strlen(sid) != SID_LEN + sizeof after - 1 ||
	    strcmp(sid + SID_LEN, after) != 0)
		return false;
	if (!http_method_is(r, "GET") || !auth_admit(r, v->config))
		return true;
	char recording_sid[SID_LEN + 1];
	text_copy(recording_sid, sizeof recording_sid, sid, SID_LEN);
	if (!twilio_is_recording_sid(recording_sid))
		http_reply_error(r, 400, "invalid", "recordingSid must be RE and 32 hexadecimal digits.");
	else
		audio_look_up(v, r, http_reply_to(r), recording_sid);
	return true;
}
