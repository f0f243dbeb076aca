/* Tags on calls and voicemails; those on messages are smsd's, which is asked. */
#ifndef PHONY_VOICED_API_TAGS_H
#define PHONY_VOICED_API_TAGS_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

void tags_change(struct voiced *v, json_t *args, struct reply reply, bool add);
void tags_search(struct voiced *v, json_t *args, struct reply reply);

#endif
