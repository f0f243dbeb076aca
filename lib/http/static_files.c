#include "lib/http/static_files.h"

#include "lib/http/json_api.h"

#include <string.h>

/* Whether a list of tokens (RFC 9110, 12.5.3) names this one, and not with q=0. */
static bool accepts(const char *list, const char *token)
{
	size_t len = strlen(token);
	for (const char *at = list; at != NULL && *at != '\0'; at += *at == ',') {
		at += strspn(at, " \t");
		size_t part = strcspn(at, ",");
		if (part >= len && strncmp(at, token, len) == 0 && strcspn(at, ";, \t") == len)
			return memmem(at, part, "q=0", 3) == NULL || memmem(at, part, "q=0.", 4) != NULL;
		at += part;
	}
	return false;
}

static void answer(struct http_request *r, const struct http_file *f)
{
	const char *known = http_header(r, "If-None-Match");
	bool gzip = accepts(http_header(r, "Accept-Encoding"), "gzip");
	http_header_add(r, f->forever ? "Cache-Control: public, max-age=31536000, immutable"
				      : "Cache-Control: no-cache");
	http_header_add(r, "Vary: Accept-Encoding");
	char etag[80];
	snprintf(etag, sizeof etag, "ETag: %s", f->etag);
	http_header_add(r, etag);
	if (known != NULL && strcmp(known, f->etag) == 0)
		http_reply(r, 304, NULL, NULL, 0, NULL);
	else if (gzip)
		http_reply(r, 200, f->type, (const char *)f->gzip, f->gzip_len, "Content-Encoding: gzip");
	else
		http_reply(r, 200, f->type, (const char *)f->plain, f->plain_len, NULL);
}

bool http_serve_file(struct http_request *r, const struct http_file files[])
{
	for (const struct http_file *f = files; f->path != NULL; f++)
		if (strcmp(f->path, http_path(r)) == 0) {
			if (strcmp(http_method(r), "HEAD") == 0 || http_method_is(r, "GET"))
				answer(r, f);
			return true;
		}
	return false;
}
