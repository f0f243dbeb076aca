/*
 * Long-lived objects begin with a magic number, checked at every door, in
 * production too. The member is `unsigned magic`, first in the struct.
 */
#ifndef PHONY_BASE_OBJECT_H
#define PHONY_BASE_OBJECT_H

#include "lib/base/panic.h"

#include <stdlib.h>

#define OBJ_ALLOC(pointer, number)                         \
	do {                                               \
		(pointer) = xcalloc(1, sizeof *(pointer)); \
		(pointer)->magic = (number);               \
	} while (0)

#define OBJ_CHECK(pointer, number)                                          \
	do {                                                                \
		if ((pointer) == NULL || (pointer)->magic != (number))      \
			panic("%s: %s is no " #number, __func__, #pointer); \
	} while (0)

#define OBJ_FREE(pointer)             \
	do {                          \
		(pointer)->magic = 0; \
		free(pointer);        \
		(pointer) = NULL;     \
	} while (0)

#endif
