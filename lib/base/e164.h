/* Phone numbers after ITU-T E.164: a plus and 2 to 15 digits, the first not 0. */
#ifndef PHONY_E164_H
#define PHONY_E164_H

#include <stdbool.h>

bool e164_valid(const char *number);

/* What a person is told about a number that is none; %s is the number. */
#define E164_ADVICE "Phone number must be in E.164 format (a plus, country code, number: +12025550198)"

#endif
