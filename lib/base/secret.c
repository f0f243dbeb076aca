#include "lib/base/secret.h"

#include "lib/base/panic.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

void secret_make(char *out, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	enum { LETTERS = sizeof letters - 1, UNBIASED = 256 - 256 % LETTERS };
	for (size_t i = 0; i < len;) {
		unsigned char bytes[64];
		if (RAND_bytes(bytes, sizeof bytes) != 1)
			panic("OpenSSL has no random numbers to give");
		for (size_t j = 0; j < sizeof bytes && i < len; j++)
			if (bytes[j] < UNBIASED)
				out[i++] = letters[bytes[j] % LETTERS];
	}
	out[len] = '\0';
}

void secret_sign(const char *key, const char *text, char out[SECRET_SIGNATURE_SIZE])
{
	unsigned char mac[32];
	unsigned len = 0;
	if (HMAC(EVP_sha256(), key, (int)strlen(key), (const unsigned char *)text, strlen(text), mac, &len) ==
	    NULL)
		panic("OpenSSL has no HMAC-SHA256");
	for (unsigned i = 0; i < len; i++)
		snprintf(out + 2 * i, 3, "%02x", mac[i]);
}

bool secret_equal(const char *a, const char *b)
{
	size_t len = strlen(a);
	return len == strlen(b) && CRYPTO_memcmp(a, b, len) == 0;
}
