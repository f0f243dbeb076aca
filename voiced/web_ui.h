/* The web UI: the files of voiced/ui, built into the program. */
#ifndef PHONY_VOICED_WEB_UI_H
#define PHONY_VOICED_WEB_UI_H

#include "lib/http/server.h"

/* Answers a request for one of them; false: it is none. */
bool pages_serve(struct http_request *r);

#endif
