/*
 * The two ways in which voiced ends: for good, its calls first; or for the next
 * voiced, which goes on with them.
 */
#ifndef PHONY_VOICED_DRAIN_H
#define PHONY_VOICED_DRAIN_H

#include "voiced/voiced.h"

/* Nothing new is begun; the live calls may go on for so long, and are ended then. */
void leaving_drain(struct voiced *v, unsigned seconds);

/*
 * Requests in work are answered. Who comes now waits in the kernel's backlog for
 * the next voiced; so do the workers.
 */
void leaving_step_down(struct voiced *v);

#endif
