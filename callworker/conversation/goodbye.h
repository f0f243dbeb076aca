/* Whether an utterance says goodbye. Pure. */
#ifndef PHONY_CALLWORKER_CONVERSATION_GOODBYE_H
#define PHONY_CALLWORKER_CONVERSATION_GOODBYE_H

#include <stdbool.h>

enum goodbye_speaker { GOODBYE_AGENT, GOODBYE_CALLER };

/*
 * The utterance is itself a goodbye: its last clause is a farewell, with nothing but
 * polite words beside it and after it. "I will take care of it for you", "I told her goodbye" and
 * questions are none; of a wish ("thank you for your time and have a nice day") the
 * end is enough. From the caller's side only a short utterance counts: recordings
 * talk at length.
 */
bool goodbye_said(const char *utterance, enum goodbye_speaker speaker);
/* It ends as a question. */
bool goodbye_asks(const char *utterance);

#endif
