#include "lib/twilio/outcome.h"

#include <stddef.h>

/* Codes and texts: www.twilio.com/docs/api/errors */
static const struct {
	int code;
	bool passing; /* a 4xx all the same: the same request may be accepted later */
	const char *advice;
} errors[] = {
	{20003, false,
	 "Invalid credentials: check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN in the Twilio Console."},
	{20005, false, "The Twilio account is not active: see the Twilio Console."},
	{20429, true, "Twilio is asked too often at once: try again in a minute."},
	{10004, true, "Too many calls at once for this Twilio account: wait for one to end."},
	{21210, false, "TWILIO_NUMBER (or fromNumber) is no number of this Twilio account."},
	{21211, false, "Check toNumber: it must be a number that exists, and not the caller's own."},
	{21212, false, "Check fromNumber: it must be a number of this Twilio account."},
	{21214, false, "This number cannot be reached."},
	{21215, false,
	 "Calls to this country are not enabled: Twilio Console, Voice, Geographic Permissions."},
	{21216, false, "Twilio blocks calls to this number."},
	{21217, false, "Check toNumber: it is no valid phone number."},
	{21219, false, "Trial accounts call verified numbers only: verify this one, or upgrade the account."},
	{21220, false, "The call is not in progress."},
	{21408, false,
	 "Messages to this country are not enabled: Twilio Console, Messaging, Geo permissions."},
	{21601, false, "This number of ours cannot send messages: take one that can."},
	{21602, false, "Give the message a body or media."},
	{21603, false, "No number to send from: set TWILIO_NUMBER or give fromNumber."},
	{21606, false,
	 "Check fromNumber: it must be a number of this Twilio account that can send messages."},
	{21607, false, "A trial account sends from its own trial number only."},
	{21608, false,
	 "Trial accounts write to verified numbers only: verify this one, or upgrade the account."},
	{21609, false,
	 "PUBLIC_URL must be an address that Twilio reaches, without an underscore in the host."},
	{21610, false,
	 "This person has opted out (STOP): they must text START before they can be written to."},
	{21611, true, "Too many messages wait for this number of ours: send fewer, or later."},
	{21612, false, "This number cannot be reached by message from ours."},
	{21614, false, "This is not a mobile number: it takes no messages."},
	{21617, false, "The message is longer than 1,600 characters: shorten or split it."},
	{21620, false, "Check mediaUrls: Twilio must be able to fetch each of them."},
	{21623, false, "A message takes ten media at most."},
	{14107, true, "Too many messages between these two numbers in a short time."},
	{30001, true, "The message waited too long in the queue: try again."},
	{30002, false, "The Twilio account is suspended: see the Twilio Console."},
	{30003, false, "The phone is off, away or cannot take messages: try again later."},
	{30004, false, "The message was blocked by the person or the carrier."},
	{30005, false, "This number does not exist any more, or is not known."},
	{30006, false, "A landline, or no carrier that could take the message."},
	{30007, false, "The carrier took the message for spam."},
	{30008, false, "The carrier gave no reason."},
	{30022, true, "Too many messages for this number's registration: send fewer, or later."},
	{30032, false, "The toll-free number must be verified before it can send."},
	{30034, false, "The number must be registered (A2P 10DLC) before it can send to the US."},
	{63018, true, "Too many messages for this sender: send fewer, or later."},
};

enum { REQUEST_TIMEOUT = 408, TOO_MANY_REQUESTS = 429 };

static bool is_passing(long status, int code)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].code == code)
			return errors[i].passing;
	return status == REQUEST_TIMEOUT || status == TOO_MANY_REQUESTS;
}

enum twilio_outcome twilio_outcome_of(enum http_outcome http, long status, int code, bool readable)
{
	if (http == HTTP_NOT_SENT)
		return TWILIO_UNREACHED;
	if (http == HTTP_AMBIGUOUS || status < 200 || status >= 500)
		return TWILIO_AMBIGUOUS;
	if (status >= 300)
		return is_passing(status, code) ? TWILIO_UNREACHED : TWILIO_REFUSED;
	/* An answer that promises something and cannot be read. */
	return readable || status == 204 ? TWILIO_DONE : TWILIO_AMBIGUOUS;
}

const char *twilio_advice(int code)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].code == code)
			return errors[i].advice;
	return "";
}
