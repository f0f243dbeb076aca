#include "lib/base/panic.h"

#include "lib/base/log.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void panic(const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	log_error("panic: %s", text);
	abort();
}

_Noreturn void fatal(enum exit_code code, const char *fmt, ...)
{
	char text[2048];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	log_error("%s", text);
	exit(code);
}

static void *allocate(size_t size)
{
	void *memory = malloc(size);
	if (memory == NULL)
		panic("out of memory for %zu bytes", size);
	return memory;
}

void panic_without_memory(void)
{
	json_set_alloc_funcs(allocate, free);
}

void *xcalloc(size_t count, size_t size)
{
	void *memory = calloc(count, size);
	if (memory == NULL)
		panic("out of memory for %zu times %zu bytes", count, size);
	return memory;
}

char *xstrdup(const char *text)
{
	char *copy = strdup(text);
	if (copy == NULL)
		panic("out of memory for a text");
	return copy;
}

char *xasprintf(const char *fmt, ...)
{
	char *out;
	va_list args;
	va_start(args, fmt);
	int n = vasprintf(&out, fmt, args);
	va_end(args);
	if (n < 0)
		panic("out of memory for a text");
	return out;
}
