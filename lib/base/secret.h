/* Random ids and secrets, compared in constant time. */
#ifndef PHONY_SECRET_H
#define PHONY_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Fills out with len random characters of [A-Za-z0-9] and a terminator, from
 * OpenSSL's generator (5.95 bits each); out needs len + 1 bytes.
 */
void secret_make(char *out, size_t len);

/* Compares two texts in a time that tells nothing but their lengths. */
bool secret_equal(const char *a, const char *b);

#endif
