#include "callworker/conversation/goodbye.h"

#include <ctype.h>
#include <string.h>

enum { CALLER_MAX_LEN = 60, TEXT_MAX = 512 };

/* These end an utterance, whatever stands before them. */
static const char *const wishes[] = {
	"have a great day",
	"have a good day",
	"have a nice day",
	"have a good one",
	"have a great evening",
	"have a good evening",
	"have a nice evening",
	"have a great night",
	"have a good night",
	"have a nice night",
	"have a great weekend",
	"have a good weekend",
	"have a nice weekend",
	"have a lovely day",
	"have a wonderful day",
	"auf wiedersehen",
	"auf wiederhören",
	"tschüss",
	"tschüß",
	"au revoir",
	"hasta luego",
	"arrivederci",
	"tot ziens",
};

/* These are a goodbye when their clause says nothing else. */
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
	"see you tomorrow",
	"gotta go",
	"have to go now",
	"need to go now",
	"talk to you later",
	"talk to you soon",
	"good night",
	"adiós",
	"adios",
	"adeus",
	"tchau",
	"ciao",
};

/* Words that may stand beside a farewell; what they thank for is not looked at. */
static const char *const polite[] = {
	"ok",
	"okay",
	"alright",
	"all right",
	"right",
	"great",
	"good",
	"perfect",
	"lovely",
	"fine",
	"sure",
	"wonderful",
	"excellent",
	"very well",
	"well",
	"yes",
	"yeah",
	"no",
	"thanks",
	"thank you",
	"many thanks",
	"thanks a lot",
	"so much",
	"very much",
	"a lot",
	"again",
	"and",
	"so",
	"then",
	"now",
	"for now",
	"sir",
	"ma'am",
	"madam",
	"everyone",
	"everybody",
	"you too",
	"i'll",
	"i will",
	"we'll",
	"we will",
	"i",
	"we",
	"i've",
	"dear",
	"thanks for calling",
	"thank you for calling",
	"thank you for your call",
	"thank you for your time",
	"thank you for your help",
	"thanks for your help",
	"danke",
	"vielen dank",
	"gracias",
	"merci",
	"grazie",
	"dank u wel",
	"obrigado",
	"obrigada",
};

#define COUNT(list) (sizeof(list) / sizeof *(list))

bool goodbye_asks(const char *utterance)
{
	bool question = false;
	for (const char *at = utterance; *at != '\0'; at++) {
		unsigned char c = (unsigned char)*at;
		if (isalnum(c) || c >= 0x80 || c == '?')
			question = c == '?';
	}
	/* U+FF1F and U+061F: of scripts that write it so. */
	size_t len = strlen(utterance);
	return question || (len >= 3 && memcmp(utterance + len - 3, "\xef\xbc\x9f", 3) == 0) ||
	       (len >= 2 && memcmp(utterance + len - 2, "\xd8\x9f", 2) == 0);
}

/* Words of lower case, one space between them, and a comma where a clause ends; of a long text the end. */
static void normalise(const char *text, char *out, size_t size)
{
	size_t len = strlen(text), used = 0;
	const char *from = len >= size ? text + (len - size + 1) : text;
	for (; *from != '\0'; from++) {
		unsigned char c = (unsigned char)*from;
		bool ends = strchr(",.;:!?", c) != NULL;
		if (isalnum(c) || c == '\'' || c >= 0x80) {
			out[used++] = (char)tolower(c);
			continue;
		}
		if (ends && used > 0 && out[used - 1] == ' ')
			used--;
		if (used > 0 && out[used - 1] != ' ' && out[used - 1] != ',')
			out[used++] = ends ? ',' : ' ';
	}
	while (used > 0 && (out[used - 1] == ' ' || out[used - 1] == ','))
		used--;
	out[used] = '\0';
}

/* Takes the last clause off the text. */
static const char *last_clause(char *text)
{
	char *comma = strrchr(text, ',');
	if (comma == NULL)
		return text;
	*comma = '\0';
	return comma + 1;
}

/* How much of the text's beginning these words are, with the space behind them; 0: they are not. */
static size_t begins_with(const char *text, const char *words)
{
	size_t len = 0;
	for (; words[len] != '\0'; len++)
		if (text[len] != words[len])
			return 0;
	return text[len] == '\0' ? len : text[len] == ' ' ? len + 1 : 0;
}

static size_t longest(const char *text, const char *const *list, size_t count)
{
	size_t best = 0;
	for (size_t i = 0; i < count; i++) {
		size_t len = begins_with(text, list[i]);
		best = len > best ? len : best;
	}
	return best;
}

enum clause { OTHER, POLITE, FAREWELL };

static enum clause kind_of(const char *clause)
{
	enum clause kind = POLITE;
	while (*clause != '\0') {
		size_t farewell = longest(clause, farewells, COUNT(farewells));
		size_t other = longest(clause, polite, COUNT(polite));
		if (farewell == 0 && other == 0)
			return OTHER;
		kind = farewell > 0 ? FAREWELL : kind;
		clause += farewell > other ? farewell : other;
	}
	return kind;
}

/* A wish at its end, but for polite words. */
static bool ends_with_wish(const char *clause)
{
	for (size_t i = 0; i < COUNT(wishes); i++)
		for (const char *at = clause; (at = strstr(at, wishes[i])) != NULL; at++) {
			if (at > clause && at[-1] != ' ')
				continue;
			size_t len = begins_with(at, wishes[i]);
			const char *rest = at + len;
			for (size_t n = 1; len > 0 && *rest != '\0' && n > 0; rest += n)
				n = longest(rest, polite, COUNT(polite));
			if (len > 0 && *rest == '\0')
				return true;
		}
	return false;
}

bool goodbye_said(const char *utterance, enum goodbye_speaker speaker)
{
	char text[TEXT_MAX];
	if (speaker == GOODBYE_CALLER && strlen(utterance) > CALLER_MAX_LEN)
		return false;
	if (goodbye_asks(utterance))
		return false;
	normalise(utterance, text, sizeof text);
	for (;;) {
		const char *clause = last_clause(text);
		enum clause kind = kind_of(clause);
		if (kind != POLITE)
			return kind == FAREWELL || ends_with_wish(clause);
		if (clause == text)
			return false;
	}
}
