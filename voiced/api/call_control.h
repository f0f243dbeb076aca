/* Steering a live call: what it is told, keys, hold, questions to a person, transfer, its end. */
#ifndef PHONY_VOICED_API_CALL_CONTROL_H
#define PHONY_VOICED_API_CALL_CONTROL_H

#include "lib/base/reply.h"
#include "voiced/voiced.h"

void steering_hang_up(struct voiced *v, json_t *args, struct reply reply);
void steering_inject(struct voiced *v, json_t *args, struct reply reply);
void steering_press(struct voiced *v, json_t *args, struct reply reply);
void steering_hold(struct voiced *v, json_t *args, struct reply reply);
void steering_resume(struct voiced *v, json_t *args, struct reply reply);
void steering_ask_operator(struct voiced *v, json_t *args, struct reply reply);
void steering_answer_operator(struct voiced *v, json_t *args, struct reply reply);
void steering_list_questions(struct voiced *v, json_t *args, struct reply reply);
void steering_transfer(struct voiced *v, json_t *args, struct reply reply);

#endif
