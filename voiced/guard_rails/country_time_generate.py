#!/usr/bin/env python3
"""Writes voiced/guard_rails/country_time_data.c and voiced/guard_rails/premium_data.c.

Sources: libphonenumber's metadata (time zones by number, premium-rate numbers), as the PyPI package `phonenumbers`
carries it, and the rules of the zones from the system's tz database (the TZ string at the end of each TZif file,
RFC 9636). Run by hand when either has changed:

    pip install phonenumbers && python3 voiced/guard_rails/country_time_generate.py
"""
import pathlib
import re

try:
    import re._parser as sre_parse
except ImportError:
    import sre_parse

import phonenumbers
from phonenumbers.data import _AVAILABLE_NONGEO_COUNTRY_CODES, _AVAILABLE_REGION_CODES
from phonenumbers.tzdata import TIMEZONE_DATA

HERE = pathlib.Path(__file__).parent
ZONEINFO = pathlib.Path("/usr/share/zoneinfo")
HEADER = """/*
 * Made by voiced/guard_rails/country_time_generate.py from libphonenumber {version}
 * (Apache License 2.0){more}. Not edited by hand.
 */
#include "voiced/guard_rails/country_time_data.h"

/* clang-format off */
"""


def rule_of(zone):
    return (ZONEINFO / zone).read_bytes().rstrip(b"\n").rsplit(b"\n", 1)[1].decode()


def shortest(table):
    """Drops each prefix that says what a shorter one says already."""
    kept = {}
    for prefix in sorted(table, key=len):
        parents = [prefix[:n] for n in range(len(prefix) - 1, 0, -1) if prefix[:n] in kept]
        if not parents or kept[parents[0]] != table[prefix]:
            kept[prefix] = table[prefix]
    return kept


# Freephone numbers of the North American plan ring in a call centre, which the whole plan's zones (Guam to Bermuda)
# say nothing about: the zones of the contiguous states count.
FREEPHONE = ("1800", "1833", "1844", "1855", "1866", "1877", "1888")
CONTIGUOUS = ("America/Chicago", "America/Denver", "America/Los_Angeles", "America/New_York")
# Numbers of the ranges 084 and 087 are businesses' ordinary ones in the United Kingdom, at 7 to 13 p a minute.
NOT_PREMIUM = ("4484", "4487")


# Countries whose mobile numbers have area codes (phonenumberutil.py), and Kazakhstan, which shares Russia's code.
AREAS = ("1", "52", "54", "55", "62", "86", "77")


def is_mobile(prefix):
    """Whether all valid numbers found under a prefix are mobile ones, whose prefix tells no place."""
    types = set()
    for length in range(max(7, len(prefix) + 1), 15):
        for fill in ("123456789012345", "000000000000000", "555555555555555", "987654321098765"):
            try:
                number = phonenumbers.parse("+" + (prefix + fill)[:length])
            except phonenumbers.NumberParseException:
                continue
            if phonenumbers.is_valid_number(number):
                types.add(phonenumbers.number_type(number))
    return types == {phonenumbers.PhoneNumberType.MOBILE}


def zones_of(prefix):
    countries = [prefix[:n] for n in range(1, len(prefix)) if prefix[:n] in TIMEZONE_DATA]
    place = countries[0] if countries and not prefix.startswith(AREAS) and is_mobile(prefix) else prefix
    return tuple(TIMEZONE_DATA[place])


def write_zones(version):
    data = {prefix: zones_of(prefix) for prefix in TIMEZONE_DATA} | dict.fromkeys(FREEPHONE, CONTIGUOUS)
    table = shortest(data)
    zones = sorted({zone for zones in table.values() for zone in zones})
    sets, places = [], {}
    for zone_set in sorted(set(table.values())):
        places[zone_set] = len(sets)
        sets += [zones.index(zone) for zone in zone_set] + [-1]
    out = [HEADER.format(version=version, more="\n * and the tz database (public domain)")]
    out.append("const struct country_zone country_zones[] = {")
    out += [f'\t{{"{zone}", "{rule_of(zone)}"}},' for zone in zones]
    out.append("};\n\nconst short country_zone_sets[] = {")
    line = ""
    for index in sets:
        line += f"{index}, "
        if len(line) > 90 or index < 0 and len(line) > 60:
            out.append("\t" + line.rstrip())
            line = ""
    out.append("\t" + line.rstrip() + "\n};\n\nconst struct country_prefix country_prefixes[] = {")
    out += [f'\t{{"{prefix}", {places[table[prefix]]}}},' for prefix in sorted(table)]
    out.append("};\n\nconst size_t country_prefix_count = sizeof country_prefixes / sizeof *country_prefixes;")
    (HERE / "country_time_data.c").write_text("\n".join(out) + "\n")


ANY = frozenset("0123456789")


def digits_of(items):
    chars = set()
    for op, value in items:
        if op is sre_parse.LITERAL:
            chars.add(chr(value))
        elif op is sre_parse.RANGE:
            chars |= {chr(c) for c in range(value[0], value[1] + 1)}
        elif op is sre_parse.CATEGORY:
            chars |= ANY
    return frozenset(chars)


def words_of(pattern):
    """Every way through a pattern, as a list of sets of digits."""
    ways = [[]]
    for op, value in pattern:
        if op is sre_parse.LITERAL:
            ways = [way + [frozenset(chr(value))] for way in ways]
        elif op is sre_parse.IN:
            ways = [way + [digits_of(value)] for way in ways]
        elif op is sre_parse.BRANCH:
            ways = [way + more for way in ways for branch in value[1] for more in words_of(branch)]
        elif op is sre_parse.SUBPATTERN:
            ways = [way + more for way in ways for more in words_of(value[3])]
        elif op is sre_parse.MAX_REPEAT:
            least, most, inner = value
            more = [[]]
            all_ways = [[]] if least == 0 else []
            for n in range(1, most + 1):
                more = [a + b for a in more for b in words_of(inner)]
                all_ways += more if n >= least else []
            ways = [way + rest for way in ways for rest in all_ways]
        else:
            raise ValueError(f"{op} in a pattern")
    return ways


def prefixes_of(pattern):
    """The shortest prefixes after which any digits may follow."""
    found = set()
    for way in words_of(sre_parse.parse(pattern)):
        while way and way[-1] == ANY:
            way.pop()
        heads = {""}
        for digits in way:
            heads = {head + digit for head in heads for digit in digits}
        found |= heads
    while True: # ten siblings are their parent
        parents = {p[:-1] for p in found if len(p) > 1 and all(p[:-1] + d in found for d in ANY)}
        if not parents - found:
            break
        found |= parents
    return {p for p in found if not any(p[:n] in found for n in range(1, len(p)))}


def write_premium(version):
    found = set()
    places = [(r, phonenumbers.PhoneMetadata.metadata_for_region(r)) for r in _AVAILABLE_REGION_CODES]
    places += [(c, phonenumbers.PhoneMetadata.metadata_for_nongeo_region(c)) for c in _AVAILABLE_NONGEO_COUNTRY_CODES]
    for _, data in places:
        if data.premium_rate and data.premium_rate.national_number_pattern:
            found |= {f"{data.country_code}{p}" for p in prefixes_of(data.premium_rate.national_number_pattern)}
    found = {p for p in found if not p.startswith(NOT_PREMIUM) and not any(p[:n] in found for n in range(1, len(p)))}
    out = [HEADER.format(version=version, more=""), "const char *const premium_prefixes[] = {"]
    line = ""
    for prefix in sorted(found):
        line += f'"{prefix}", '
        if len(line) > 90:
            out.append("\t" + line.rstrip())
            line = ""
    out.append("\t" + line.rstrip() + "\n};\n\nconst size_t premium_prefix_count = "
               "sizeof premium_prefixes / sizeof *premium_prefixes;")
    (HERE / "premium_data.c").write_text("\n".join(out) + "\n")


write_zones(phonenumbers.__version__)
write_premium(phonenumbers.__version__)
