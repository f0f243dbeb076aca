/*
 * What a phony answers at PUBLIC_URL so that `phony doctor` knows it: a signature
 * of the nonce in the question, which only one with the same TWILIO_AUTH_TOKEN
 * can make. A foreign server may answer anything else there.
 */
#ifndef PHONY_VOICED_SHARED_PUBLIC_URL_PROOF_H
#define PHONY_VOICED_SHARED_PUBLIC_URL_PROOF_H

#include "lib/base/secret.h"
#include "lib/config/config.h"

/* Where Twilio's webhooks are, so that a proxy passes it on. */
#define PROOF_PATH "/call/proof"
enum { PROOF_NONCE_LEN = 32 };

void proof_make(const struct config *config, const char *nonce, char out[SECRET_SIGNATURE_SIZE]);

#endif
