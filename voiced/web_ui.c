#include "voiced/web_ui.h"

#include "lib/http/static_files.h"
#include "ui_files.h"

bool pages_serve(struct http_request *r)
{
	return http_serve_file(r, ui_files);
}
