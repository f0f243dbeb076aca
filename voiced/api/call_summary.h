/* What the events of a call add to its document when a person looks at it. */
#ifndef PHONY_VOICED_API_CALL_SUMMARY_H
#define PHONY_VOICED_API_CALL_SUMMARY_H

#include <jansson.h>

/* Sets notes, outcome, figures, usage, recording in the document. */
void summary_add(json_t *document, const json_t *events);

#endif
