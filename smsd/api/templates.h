/* Message templates, for those who fill one in. */
#ifndef PHONY_SMSD_API_TEMPLATES_H
#define PHONY_SMSD_API_TEMPLATES_H

#include "lib/base/reply.h"
#include "smsd/smsd.h"

/* body is NULL when there is no such template: the reply has been given. */
typedef void template_fn(void *arg, const char *body);

void template_look_up(struct smsd *s, const char *name, struct reply reply, template_fn *fn, void *arg);

#endif
