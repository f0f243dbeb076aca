#include "lib/base/e164.h"

#include <string.h>

bool e164_valid(const char *number)
{
	if (number[0] != '+' || number[1] < '1' || number[1] > '9')
		return false;
	size_t digits = strspn(number + 1, "0123456789");
	return digits >= 2 && digits <= 15 && number[1 + digits] == '\0';
}
