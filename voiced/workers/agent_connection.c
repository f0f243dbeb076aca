#include "voiced/workers/agent_connection.h"

#include "lib/base/fd.h"
#include "lib/base/text.h"

#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* host without an IPv6 address's brackets, and port, as getaddrinfo(3) takes them. Freed by curl_free. */
static bool split(const char *url, char **host, char **port)
{
	CURLU *parts = curl_url();
	*host = *port = NULL;
	bool ok = parts != NULL &&
		  curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
		  curl_url_get(parts, CURLUPART_HOST, host, 0) == CURLUE_OK;
	if (ok)
		curl_url_get(parts, CURLUPART_PORT, port, 0); /* NULL: the scheme's own */
	curl_url_cleanup(parts);
	size_t len = ok ? strlen(*host) : 0;
	if (len > 2 && (*host)[0] == '[' && (*host)[len - 1] == ']') {
		memmove(*host, *host + 1, len - 2);
		(*host)[len - 2] = '\0';
	}
	return ok;
}

enum { UNANSWERED_MS = 5000 }; /* what is sent and not acknowledged: the connection is dead (RFC 5482) */

static int begin(const struct addrinfo *to)
{
	unsigned unanswered_ms = UNANSWERED_MS;
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
	if (connect(fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS) {
		int saved = errno;
		fd_close(&fd);
		errno = saved;
	}
	return fd;
}

int agent_connection_begin(const char *url, const char *address, char *why, size_t size)
{
	char *host, *port;
	int fd = -1;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *to = NULL;
	if (!split(url, &host, &port)) {
		text_printf(why, size, "the agent's address cannot be read");
	} else {
		const char *usual = strncmp(url, "wss:", 4) == 0 ? "443" : "80";
		if (getaddrinfo(address[0] ? address : host, port ? port : usual, &hints, &to) != 0)
			text_printf(why, size, "the agent's host %s is not an address", host);
		else if ((fd = begin(to)) < 0)
			text_printf(why, size, "the agent at %s cannot be reached: %s", host,
				    strerror(errno));
	}
	if (to != NULL)
		freeaddrinfo(to);
	curl_free(host);
	curl_free(port);
	return fd;
}
