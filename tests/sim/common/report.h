/*
 * What a simulator saw: a JSON line on standard output for each event, with the
 * time of CLOCK_MONOTONIC in us. A violation is a message that the real service
 * would refuse: it is told at once, and fails the run.
 */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include <jansson.h>
#include <stdint.h>

/* The members (a json_pack of an object) are stolen. */
void report(const char *event, json_t *members);
/* who: the call or conversation. */
void violation(const char *who, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int violations(void);
int64_t now_us(void);

/* Reads a JSON file or ends the program. */
json_t *load_json(const char *path);

const char *text_of(const json_t *object, const char *name, const char *fallback);
int64_t int_of(const json_t *object, const char *name, int64_t fallback);

#endif
