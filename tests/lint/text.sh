#!/bin/sh
# Text from outside goes through lib/base/text.h, JSON through lib/base/json_build.h:
# refuses jansson's constructors that fail on invalid UTF-8, and precisions that
# count bytes ("%.200s") and may cut a character in two.
set -u
cd "$(dirname "$0")/../.." || exit 2
folders="supervisor voiced callworker smsd mcpd proto lib"
code=0

refuse() { # pattern, advice
	found=$(grep -rnE --include='*.[ch]' "$1" $folders | grep -vE '^lib/base/(text|json_build)\.[ch]:')
	[ -z "$found" ] && return
	echo "$found"
	echo "   $2"
	code=1
}

refuse '\bjson_v?pack(_ex)?\(' 'json_pack returns NULL for bytes that are not UTF-8; use json_build'
refuse '\bjson_(string|stringn|sprintf|vsprintf)(_nocheck)?\(' 'use json_text, json_text_n or json_text_printf'
refuse '%[-0-9]*\.[0-9]+s' 'counts bytes; use "%.*s" with TEXT_CUT'

# A "%.*s" takes TEXT_CUT or TEXT_SPAN, in the same statement.
found=$(awk '
	FNR == 1 { statement = ""; first = 0 }
	{
		if (statement == "") first = FNR
		statement = statement $0
		if ($0 ~ /[;{}]$/) {
			if (statement ~ /%[-0-9]*\.\*s/ && statement !~ /TEXT_(CUT|SPAN)/)
				print FILENAME ":" first ": " statement
			statement = ""
		}
	}' $(find $folders -name '*.c' ! -path 'lib/base/text.c'))
if [ -n "$found" ]; then
	echo "$found"
	echo '   "%.*s" takes its arguments from TEXT_CUT or TEXT_SPAN'
	code=1
fi
[ $code -eq 0 ] && echo "ok text"
exit $code
