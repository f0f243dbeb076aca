#include "voiced/guard_rails/denied_numbers.h"

#include "lib/base/clock.h"
#include "lib/base/json_build.h"
#include "lib/base/json_read.h"
#include "lib/base/panic.h"
#include "lib/base/text.h"
#include "lib/config/setting.h"
#include "lib/store/result.h"
#include "voiced/guard_rails/country_time.h"
#include "voiced/shared/crud.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUBSCRIBER_DIGITS = 7, NANP_DIGITS = 11, NUMBER_SIZE = 24 };

static const char *const fields[] = {"phoneNumber", "reason", "createdAt", NULL};
static const struct record_kind kind = {STORE_BARRED, "do-not-call number", "numbers",
					"phony_list_do_not_call lists them", fields};

/*
 * Emergency numbers written as if they were international, satellite ranges and
 * those of no country (ITU-T E.164), and premium ranges that libphonenumber's
 * metadata (country_is_premium) lacks.
 */
static const char *const denied[] = {
	"+1976",  "+1911",  "+979",   "+878",   "+881",   "+882",   "+883",   "+870",   "+44118", "+4498",
	"+44999", "+49900", "+49137", "+49110", "+49112", "+3389",  "+33112", "+39899", "+39892", "+34803",
	"+34806", "+34807", "+43900", "+43930", "+41900", "+41901", "+41906", "+31900", "+31906", "+61190",
};

/* Whether the number begins with one of a list of prefixes, by commas; which, in *len. */
static bool listed(const char *list, const char *number, const char **prefix, size_t *len)
{
	while (*list != '\0') {
		list += strspn(list, ", ");
		*len = strcspn(list, ", ");
		if (*len > 0 && strncmp(list, number, *len) == 0) {
			*prefix = list;
			return true;
		}
		list += *len;
	}
	return false;
}

static const char *denied_range(const char *number)
{
	for (size_t i = 0; i < sizeof denied / sizeof *denied; i++)
		if (strncmp(number, denied[i], strlen(denied[i])) == 0)
			return denied[i];
	if (country_is_premium(number))
		return "a premium prefix";
	/* The exchange 976 of each area of the North American plan. */
	return strncmp(number, "+1", 2) == 0 && strlen(number) == NANP_DIGITS + 1 &&
			       strncmp(number + 5, "976", 3) == 0
		       ? "a premium exchange"
		       : NULL;
}

/* No subscriber has so few digits; those of the North American plan have eleven. */
static bool is_service_number(const char *number)
{
	size_t digits = strspn(number + 1, "0123456789");
	return digits < SUBSCRIBER_DIGITS || (number[1] == '1' && digits < NANP_DIGITS);
}

/*
 * The digits of a country's code in a number of E.164: of zone 1 and 7 one, else two in these, and three in
 * all others (ITU-T E.164, list of assigned codes).
 */
static size_t country_code_len(const char *number)
{
	static const char *const two[] = {"20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41",
					  "43", "44", "45", "46", "47", "48", "49", "51", "52", "53", "54",
					  "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66",
					  "81", "82", "84", "86", "90", "91", "92", "93", "94", "95", "98"};
	if (number[1] == '1' || number[1] == '7')
		return 1;
	for (size_t i = 0; i < sizeof two / sizeof *two; i++)
		if (strncmp(number + 1, two[i], 2) == 0)
			return 2;
	return 3;
}

/* Where a subscriber's number begins with 0 there is no trunk prefix to leave out. */
static bool has_leading_zeros(const char *number)
{
	static const char *const codes[] = {"+39", "+378", "+379", "+225", "+229", "+241", "+242"};
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		if (strncmp(number, codes[i], strlen(codes[i])) == 0)
			return true;
	return false;
}

/*
 * "+44 (0)900 …": the number without its trunk prefix, as a carrier may dial it. False: there is none.
 */
static bool without_trunk_zero(const char *number, char out[NUMBER_SIZE])
{
	size_t code = 1 + country_code_len(number);
	if (strlen(number) <= code || strlen(number) >= NUMBER_SIZE || number[code] != '0' ||
	    has_leading_zeros(number))
		return false;
	const char *rest = number + code + strspn(number + code, "0");
	memcpy(out, number, code);
	memcpy(out + code, rest, strlen(rest) + 1);
	return true;
}

static bool denies(const struct config *config, const char *number, char *why, size_t size);

bool guard_denies(const struct config *config, const char *number, char *why, size_t size)
{
	char dialled[NUMBER_SIZE];
	return denies(config, number, why, size) ||
	       (without_trunk_zero(number, dialled) && denies(config, dialled, why, size));
}

static bool denies(const struct config *config, const char *number, char *why, size_t size)
{
	const char *prefix;
	size_t len;
	if (listed(config->denied_prefixes, number, &prefix, &len)) {
		text_printf(why, size, "%s begins with %.*s, which DENIED_PREFIXES names: it is not called.",
			    number, TEXT_SPAN(prefix, len));
		return true;
	}
	if (is_service_number(number)) {
		text_printf(why, size,
			    "%s is too short for a subscriber: emergency and service numbers are not called, "
			    "whatever ALLOWED_PREFIXES says.",
			    number);
		return true;
	}
	if ((prefix = denied_range(number)) != NULL) {
		text_printf(
			why, size,
			"%s begins with %s: emergency, premium and satellite ranges are not called, whatever "
			"ALLOWED_PREFIXES says.",
			number, prefix);
		return true;
	}
	if (config->allowed_prefixes[0] != '\0' && !listed(config->allowed_prefixes, number, &prefix, &len)) {
		text_printf(why, size,
			    "%s begins with none of ALLOWED_PREFIXES (%.*s): add its prefix there.", number,
			    TEXT_CUT(config->allowed_prefixes, 100));
		return true;
	}
	return false;
}

/* ---- the do-not-call list ---- */

void guard_list_barred(struct voiced *v, json_t *args, struct reply reply)
{
	const char *cursor;
	int64_t limit;
	if (answer_page(reply, args, &limit, &cursor))
		records_list(v, &kind, json_array(), limit, cursor, reply);
}

void guard_bar(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *number = "", *reason = "";
	json_read_open(&r, args);
	json_read_number(&r, "phoneNumber", JSON_NEEDED, &number);
	json_read_text(&r, "reason", JSON_OPTIONAL, 0, 500, &reason);
	if (!answer_faults(reply, &r))
		records_create(v, &kind, json_build("{s:s, s:s}", "phoneNumber", number, "reason", reason),
			       reply);
}

void guard_unbar(struct voiced *v, json_t *args, struct reply reply)
{
	struct json_reader r;
	const char *number = "";
	json_read_open(&r, args);
	json_read_number(&r, "phoneNumber", JSON_NEEDED, &number);
	if (!answer_faults(reply, &r))
		records_remove(v, &kind, number, reply);
}
