#include "callworker/process/process_title.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct {
	char *start;
	size_t size;
} title;

/* The kernel shows the bytes of argv, which lie one after the other. */
void title_init(int argc, char **argv)
{
	char *end = argv[0];
	for (int i = 0; i < argc && argv[i] == end; i++)
		end += strlen(argv[i]) + 1;
	title.start = argv[0];
	title.size = (size_t)(end - argv[0]);
}

void title_set(const char *fmt, ...)
{
	va_list args;
	if (title.size == 0)
		return;
	memset(title.start, 0, title.size);
	va_start(args, fmt);
	vsnprintf(title.start, title.size, fmt, args);
	va_end(args);
}
