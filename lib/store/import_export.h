/*
 * The store from outside, at once and without a spool: tried by a doctor, written
 * out and read in as JSON lines, {"collection": …, "document": {…}} each. They
 * answer with a number of faults, having said each in a line on standard error.
 */
#ifndef PHONY_STORE_IMPORT_EXPORT_H
#define PHONY_STORE_IMPORT_EXPORT_H

#include <stddef.h>
#include <stdio.h>

/* Writes and reads back. 0, or 1 with a sentence in why. */
int store_try(const char *mongodb_url, const char *state_dir, char *why, size_t size);

int store_export(const char *mongodb_url, const char *state_dir, FILE *out);
/* What is there already stays as it is. */
int store_import(const char *mongodb_url, const char *state_dir, FILE *in);

#endif
