#include "lib/http/origin.h"

#include "lib/base/text.h"
#include "lib/config/config.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

bool origin_is_url(const char *origin, const char *public_url)
{
	const char *scheme = strstr(public_url, "://");
	size_t len = scheme ? (size_t)(scheme + 3 - public_url) : 0;
	len += strcspn(public_url + len, "/?#");
	return len > 0 && strlen(origin) == len && strncasecmp(origin, public_url, len) == 0;
}

bool origin_allowed(const char *origin, const char *public_url)
{
	return url_is_loopback(origin) || origin_is_url(origin, public_url);
}

static bool host_allowed(const char *host, const char *public_url)
{
	char url[300];
	const char *scheme = strstr(public_url, "://");
	int len = snprintf(url, sizeof url, "%.*s%s",
			   TEXT_SPAN(public_url, scheme ? (int)(scheme + 3 - public_url) : 0), host);
	return len > 0 && (size_t)len < sizeof url && strpbrk(host, "/?#@") == NULL &&
	       origin_allowed(url, public_url);
}

bool origin_is_host(struct http_request *r, const char *origin)
{
	const char *host = http_header(r, "Host"), *at = strstr(origin, "://");
	return host != NULL && at != NULL && strcasecmp(at + 3, host) == 0;
}

bool origin_is_ours(struct http_request *r, const char *public_url)
{
	const char *origin = http_header(r, "Origin"), *host = http_header(r, "Host");
	if ((origin == NULL || origin_allowed(origin, public_url)) &&
	    (host == NULL || !http_from_loopback(r) || host_allowed(host, public_url)))
		return true;
	http_reply_error(r, 403, "origin", "Pages and names of other hosts are not served; see PUBLIC_URL.");
	return false;
}
