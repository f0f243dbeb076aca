/*
 * The events of a call: numbered from 1, kept until voiced says that they are
 * stored, told again to a voiced that was started anew.
 */
#ifndef PHONY_CALLWORKER_CONTROL_EVENT_JOURNAL_H
#define PHONY_CALLWORKER_CONTROL_EVENT_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct journal;

/* Sends one event; the body is stolen. */
typedef void journal_send_fn(void *arg, json_t *event);

struct journal *journal_new(journal_send_fn *send, void *arg);
void journal_free(struct journal **j);

/* Adds an event, stamped with the present time, and sends it. data is stolen. Returns its number. */
int64_t journal_add(struct journal *j, const char *type, json_t *data);
/* Everything up to seq is stored. */
void journal_acked(struct journal *j, int64_t seq);
bool journal_is_empty(const struct journal *j);
/* Sends everything not acknowledged, in order. */
void journal_replay(struct journal *j);

#endif
