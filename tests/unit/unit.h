/* What every unit test includes, in the order that cmocka wants. */
#ifndef PHONY_UNIT_H
#define PHONY_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
