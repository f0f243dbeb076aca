/* Whether an utterance says goodbye. Pure. */
#ifndef PHONY_GOODBYE_H
#define PHONY_GOODBYE_H

#include <stdbool.h>

enum goodbye_speaker { GOODBYE_AGENT, GOODBYE_CALLER };

/*
 * A farewell counts only as the end of the utterance, in whole words, and not
 * in a question: "I will take care of it for you" is none. From the caller's
 * side it counts only in a short utterance: hold recordings talk at length.
 */
bool goodbye_said(const char *utterance, enum goodbye_speaker speaker);

#endif
