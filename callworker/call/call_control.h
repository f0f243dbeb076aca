/* What voiced asks of a call in progress: context, digits, hold, transfer, a question, the end. */
#ifndef PHONY_CALLWORKER_CALL_CALL_CONTROL_H
#define PHONY_CALLWORKER_CALL_CALL_CONTROL_H

#include "proto/frame.h"

/* Answers the question, exactly once. arg: the call. */
void steering_answer(void *arg, const struct frame *f);

#endif
