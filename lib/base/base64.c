#include "lib/base/base64.h"

#include <stdint.h>

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Value of a character plus one; 0 marks one that is not in the alphabet. */
static const uint8_t values[256] = {
	['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
	['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
	['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
	['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
	['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
	['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
	['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64};

size_t base64_encode(const void *bytes, size_t len, char *out)
{
	const uint8_t *in = bytes;
	char *at = out;
	for (; len >= 3; len -= 3, in += 3) {
		*at++ = alphabet[in[0] >> 2];
		*at++ = alphabet[(in[0] & 3) << 4 | in[1] >> 4];
		*at++ = alphabet[(in[1] & 15) << 2 | in[2] >> 6];
		*at++ = alphabet[in[2] & 63];
	}
	if (len > 0) {
		*at++ = alphabet[in[0] >> 2];
		*at++ = alphabet[(in[0] & 3) << 4 | (len == 2 ? in[1] >> 4 : 0)];
		*at++ = len == 2 ? alphabet[(in[1] & 15) << 2] : '=';
		*at++ = '=';
	}
	return (size_t)(at - out);
}

ssize_t base64_decoded_len(const char *text, size_t len)
{
	if (len % 4 != 0)
		return -1;
	if (len == 0)
		return 0;
	return (ssize_t)(len / 4 * 3) - (text[len - 1] == '=') - (text[len - 2] == '=');
}

bool base64_valid(const char *text, size_t len)
{
	ssize_t bytes = base64_decoded_len(text, len);
	size_t padding = bytes < 0 ? 0 : len / 4 * 3 - (size_t)bytes;
	for (size_t i = 0; i + padding < len; i++)
		if (values[(uint8_t)text[i]] == 0)
			return false;
	return bytes >= 0;
}

ssize_t base64_decode(const char *text, size_t len, void *out)
{
	ssize_t total = base64_decoded_len(text, len);
	if (total < 0)
		return -1;
	size_t padding = len / 4 * 3 - (size_t)total;
	uint8_t *at = out;
	for (size_t i = 0; i + 4 <= len; i += 4) {
		const uint8_t *in = (const uint8_t *)text + i;
		size_t pad = i + 4 == len ? padding : 0;
		unsigned a = values[in[0]], b = values[in[1]];
		unsigned c = pad >= 2 ? 1 : values[in[2]], d = pad >= 1 ? 1 : values[in[3]];
		if (a == 0 || b == 0 || c == 0 || d == 0)
			return -1;
		uint32_t word = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
		*at++ = (uint8_t)(word >> 16);
		if (pad < 2)
			*at++ = (uint8_t)(word >> 8);
		if (pad < 1)
			*at++ = (uint8_t)word;
	}
	return total;
}
