/* Random ids and secrets, compared in constant time. */
#ifndef PHONY_BASE_SECRET_H
#define PHONY_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Fills out with len random characters of [A-Za-z0-9] and a terminator, from
 * OpenSSL's generator (5.95 bits each); out needs len + 1 bytes.
 */
void secret_make(char *out, size_t len);

enum { SECRET_SIGNATURE_SIZE = 65 };

/* HMAC-SHA256 (RFC 2104) of a text under a key, as 64 hexadecimal digits. */
void secret_sign(const char *key, const char *text, char out[SECRET_SIGNATURE_SIZE]);

/* Compares two texts in a time that tells nothing but their lengths. */
bool secret_equal(const char *a, const char *b);

#endif
