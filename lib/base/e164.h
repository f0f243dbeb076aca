/* Phone numbers after ITU-T E.164: a plus and 2 to 15 digits, the first not 0. */
#ifndef PHONY_BASE_E164_H
#define PHONY_BASE_E164_H

#include <stdbool.h>

bool e164_valid(const char *number);

/* What a person is told about a number that is none; %s is the number. */
#define E164_ADVICE "Phone number must be in E.164 format (a plus, country code, number: +12025550198)"

/*
 * What Twilio gives as the other side of a call or a message, and a list may be
 * filtered by: E.164, a short code (3 to 8 digits), an alphanumeric sender
 * ("SUPPORT"), a word for none ("anonymous"), or an address with its scheme
 * ("whatsapp:+12025550199", "sip:alice@example.com", "client:joe"). A text that
 * begins with a plus, or has more digits alone, was meant to be E.164.
 */
bool address_valid(const char *text);

#define ADDRESS_ADVICE                                                                               \
	E164_ADVICE ", or be a short code (68849) or a sender as it is listed (SUPPORT, anonymous, " \
		    "whatsapp:+12025550199)"

#endif
