/* Whether a message that Twilio lists is one that we asked it to send. Pure. */
#ifndef PHONY_SMSD_OUTBOX_TWILIO_MATCH_H
#define PHONY_SMSD_OUTBOX_TWILIO_MATCH_H

#include <jansson.h>
#include <stdint.h>

/*
 * An item of Twilio's list of messages between two numbers against our
 * document: its SID, or NULL. not_before_ms: the earliest time, by Twilio's
 * clock, that it can have been created.
 *
 * The bodies need not be equal: a trial account's messages begin with a sentence
 * of Twilio's, and Smart Encoding replaces characters
 * (www.twilio.com/docs/messaging/features/smart-encoding). Ours must be the end of
 * Twilio's, by letters and digits where the characters differ.
 */
const char *twilio_match(const json_t *document, json_t *item, int64_t not_before_ms);

#endif
