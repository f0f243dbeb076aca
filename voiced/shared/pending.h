/*
 * Something that takes a while, in steps that a timer wakes: embedded in what is
 * on its way, so that whatever still waits when voiced ends is ended, too.
 */
#ifndef PHONY_VOICED_SHARED_PENDING_H
#define PHONY_VOICED_SHARED_PENDING_H

#include "voiced/voiced.h"

struct errand {
	LIST_ENTRY(errand) next;
	struct voiced *v;
	loop_fn *drop;
	void *arg;
	struct timer timer;
};

/* drop(arg) is called when voiced ends: it answers whoever waits, and calls errand_end. */
void errand_begin(struct errand *e, struct voiced *v, loop_fn *drop, void *arg);
/* The next step: fn(arg) after ms milliseconds, in place of one that waits. */
void errand_later(struct errand *e, int ms, loop_fn *fn);
/* It is over. Before its owner is freed. */
void errand_end(struct errand *e);

/* voiced ends: all of them are dropped. */
void errands_drop(struct voiced *v);

#endif
