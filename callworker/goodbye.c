#include "callworker/goodbye.h"

#include <ctype.h>
#include <string.h>

enum { CALLER_MAX_LEN = 60, TEXT_MAX = 512 };

static const char *const farewells[] = {
	"bye",
	"goodbye",
	"good bye",
	"bye bye",
	"bye now",
	"take care",
	"see you",
	"see you later",
	"see you soon",
	"see you then",
	"gotta go",
	"have to go now",
	"need to go now",
	"talk to you later",
	"talk to you soon",
	"good night",
	"have a great day",
	"have a good day",
	"have a nice day",
	"have a good one",
	"have a great evening",
	"have a good evening",
	"have a nice evening",
	"have a great night",
	"have a good night",
	"have a great weekend",
	"have a good weekend",
	"have a nice weekend",
	"have a lovely day",
	"thanks for calling",
	"thank you for calling",
	"auf wiedersehen",
	"auf wiederhören",
	"tschüss",
	"au revoir",
	"adiós",
	"adios",
	"hasta luego",
	"arrivederci",
	"tot ziens",
	"adeus",
	"tchau",
};

/* Words that may follow a farewell without taking it back. */
static const char *const fillers[] = {" then", " now", " again", " sir", " ma'am", " madam", " everyone"};

/* Words in lower case, one space between them; true when the text ends as a question. */
static bool normalise(const char *text, char *out, size_t size)
{
	size_t len = strlen(text), used = 0;
	const char *from = len >= size ? text + (len - size + 1) : text;
	bool question = false;
	for (; *from != '\0'; from++) {
		unsigned char c = (unsigned char)*from;
		bool word = isalnum(c) || c == '\'' || c >= 0x80;
		if (word)
			out[used++] = (char)tolower(c);
		else if (used > 0 && out[used - 1] != ' ')
			out[used++] = ' ';
		if (word || c == '?')
			question = c == '?';
	}
	while (used > 0 && out[used - 1] == ' ')
		used--;
	out[used] = '\0';
	return question;
}

static bool ends_with_words(const char *text, const char *words)
{
	size_t len = strlen(text), tail = strlen(words);
	return len >= tail && strcmp(text + len - tail, words) == 0 &&
	       (len == tail || text[len - tail - 1] == ' ');
}

static bool ends_with_farewell(const char *text)
{
	for (size_t i = 0; i < sizeof farewells / sizeof *farewells; i++)
		if (ends_with_words(text, farewells[i]))
			return true;
	return false;
}

bool goodbye_said(const char *utterance, enum goodbye_speaker speaker)
{
	char text[TEXT_MAX];
	if (speaker == GOODBYE_CALLER && strlen(utterance) > CALLER_MAX_LEN)
		return false;
	if (normalise(utterance, text, sizeof text))
		return false;
	if (ends_with_farewell(text))
		return true;
	for (size_t i = 0; i < sizeof fillers / sizeof *fillers; i++) {
		size_t len = strlen(text), tail = strlen(fillers[i]);
		if (len > tail && strcmp(text + len - tail, fillers[i]) == 0) {
			text[len - tail] = '\0';
			return ends_with_farewell(text);
		}
	}
	return false;
}
