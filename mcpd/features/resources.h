/* The resources: transcripts and recordings of calls, the audio of voicemails. */
#ifndef PHONY_MCPD_FEATURES_RESOURCES_H
#define PHONY_MCPD_FEATURES_RESOURCES_H

#include "mcpd/request.h"

void resources_list(struct request *q);
void resources_templates(struct request *q);
void resources_read(struct request *q);

/* Whether this is the URI of a resource, or could be one of a template. */
bool resources_has(const char *uri);
/* The argument of a template ("callSid", "recordingSid"); NULL: there is no such template. */
const char *resources_argument(const char *uri_template);
/* Whether what happens in this call changes the resource. */
bool resources_concerns(const char *uri, const char *call_sid);

#endif
