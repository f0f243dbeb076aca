/*
 * What a service manager is told: sd_notify(3), the datagrams to NOTIFY_SOCKET,
 * without its library. Nothing is sent when nobody listens.
 */
#ifndef PHONY_SUPERVISOR_SD_NOTIFY_H
#define PHONY_SUPERVISOR_SD_NOTIFY_H

#include <event2/event.h>

/* "READY=1", "STOPPING=1", … */
void notify_send(const char *state);

/* A new instance takes over in the same process: RELOADING=1, with the time it needs. */
void notify_reloading(void);

/* It ends, and its calls may go on for so long: the manager waits (EXTEND_TIMEOUT_USEC), whatever its own
 * limit. */
void notify_stopping(unsigned drain_s);

/* Keeps telling that the loop runs, if WATCHDOG_USEC asks for it; until notify_stop. */
void notify_watchdog(struct event_base *base);
void notify_stop(void);

#endif
