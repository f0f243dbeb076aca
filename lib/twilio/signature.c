#include "lib/twilio/signature.h"

#include "lib/base/base64.h"
#include "lib/base/panic.h"
#include "lib/base/secret.h"
#include "lib/base/text.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHA1_LEN = 20 };

static int compare_bytes(const struct form_bytes *a, const struct form_bytes *b)
{
	int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);
	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

static int by_name_and_value(const void *a, const void *b)
{
	const struct form_field *x = *(const struct form_field *const *)a;
	const struct form_field *y = *(const struct form_field *const *)b;
	int order = compare_bytes(&x->raw_name, &y->raw_name);
	return order != 0 ? order : compare_bytes(&x->raw_value, &y->raw_value);
}

static void append_form(struct buffer *b, const struct form *form)
{
	const struct form_field **sorted = xcalloc(form->count + 1, sizeof *sorted);
	for (size_t i = 0; i < form->count; i++)
		sorted[i] = &form->fields[i];
	qsort(sorted, form->count, sizeof *sorted, by_name_and_value);
	for (size_t i = 0; i < form->count; i++) {
		/* A name given several times counts once with each distinct value. */
		if (i > 0 && by_name_and_value(&sorted[i - 1], &sorted[i]) == 0)
			continue;
		/* As Twilio sent them: the texts may have been cleaned. */
		buffer_append(b, sorted[i]->raw_name.bytes, sorted[i]->raw_name.len);
		buffer_append(b, sorted[i]->raw_value.bytes, sorted[i]->raw_value.len);
	}
	free(sorted);
}

void twilio_signature(const char *token, const char *url, const struct form *form,
		      char out[TWILIO_SIGNATURE_SIZE])
{
	struct buffer signed_text = {0};
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	buffer_append_text(&signed_text, url);
	if (form != NULL)
		append_form(&signed_text, form);
	if (HMAC(EVP_sha1(), token, (int)strlen(token), signed_text.data, signed_text.len, digest, &len) ==
		    NULL ||
	    len != SHA1_LEN)
		panic("OpenSSL computes no HMAC-SHA1");
	out[base64_encode(digest, len, out)] = '\0';
	buffer_free(&signed_text);
}

static bool matches(const char *token, const char *url, const struct form *form, const char *signature)
{
	char expected[TWILIO_SIGNATURE_SIZE];
	twilio_signature(token, url, form, expected);
	return secret_equal(expected, signature);
}

/*
 * public_url in three forms: as configured, without its port, with its port or
 * the default one written out. Each is followed by `rest`.
 */
static bool matches_any_port(const char *token, const char *scheme, const char *public_url, const char *rest,
			     const struct form *form, const char *signature)
{
	const char *host = strstr(public_url, "://");
	if (host == NULL)
		return false;
	host += 3;
	bool tls = strncmp(public_url, "https", 5) == 0;
	size_t authority = strcspn(host, "/");
	/* The port's colon comes after an IPv6 address's bracket. */
	const char *bracket = memchr(host, ']', authority);
	const char *from = bracket ? bracket : host;
	const char *colon = memchr(from, ':', authority - (size_t)(from - host));
	size_t name = colon ? (size_t)(colon - host) : authority;
	const char *path = host + authority;
	char *urls[3] = {
		xasprintf("%s://%.*s%s%s", scheme, TEXT_SPAN(host, authority), path, rest),
		xasprintf("%s://%.*s%s%s", scheme, TEXT_SPAN(host, name), path, rest),
		xasprintf("%s://%.*s:%s%s%s", scheme, TEXT_SPAN(host, name), tls ? "443" : "80", path, rest),
	};
	bool ok = false;
	for (int i = 0; i < 3; i++) {
		ok = ok || matches(token, urls[i], form, signature);
		free(urls[i]);
	}
	return ok;
}

bool twilio_signature_valid(const char *token, const char *public_url, const char *target,
			    const struct form *form, const char *signature)
{
	if (signature == NULL)
		return false;
	const char *scheme = strncmp(public_url, "https", 5) == 0 ? "https" : "http";
	return matches_any_port(token, scheme, public_url, target, form, signature);
}

bool twilio_stream_signature_valid(const char *token, const char *public_url, const char *target,
				   const char *signature)
{
	if (signature == NULL)
		return false;
	const char *scheme = strncmp(public_url, "https", 5) == 0 ? "wss" : "ws";
	char *slashed = xasprintf("%s/", target);
	bool ok = matches_any_port(token, scheme, public_url, target, NULL, signature) ||
		  matches_any_port(token, scheme, public_url, slashed, NULL, signature);
	free(slashed);
	return ok;
}
