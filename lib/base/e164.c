#include "lib/base/e164.h"

#include <ctype.h>
#include <string.h>

bool e164_valid(const char *number)
{
	if (number[0] != '+' || number[1] < '1' || number[1] > '9')
		return false;
	size_t digits = strspn(number + 1, "0123456789");
	return digits >= 2 && digits <= 15 && number[1 + digits] == '\0';
}

bool address_valid(const char *text)
{
	size_t len = strlen(text), digits = strspn(text, "0123456789");
	if (text[0] == '+')
		return e164_valid(text);
	if (digits == len)
		return len >= 3 && len <= 8;
	bool letters = false;
	for (const char *at = text; *at != '\0'; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return false;
		letters = letters || isalpha((unsigned char)*at) || (unsigned char)*at >= 0x80;
	}
	return letters;
}
