/* Files that are part of the program, from a table made when it was built. */
#ifndef PHONY_HTTP_STATIC_FILES_H
#define PHONY_HTTP_STATIC_FILES_H

#include "lib/http/server.h"

struct http_file {
	const char *path; /* "/", "/assets/index-1a2b3c.js"; NULL ends the table */
	const char *type;
	const char *etag; /* in quotes */
	bool forever;     /* its name changes with its content */
	const unsigned char *plain;
	size_t plain_len;
	const unsigned char *gzip;
	size_t gzip_len;
};

/* Answers a GET or HEAD of one of them; false: it is none. */
bool http_serve_file(struct http_request *r, const struct http_file files[]);

#endif
