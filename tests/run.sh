#!/bin/sh
# Runs the unit tests, then the tests that start the real programs, and prints
# the totals as the last line. With arguments, only these .mjs files.
# BUILD is the folder of the programs, NODE the Node.js to use.
#
# Most tests wait most of the time, so three files run at once, each with a copy
# of the programs of its own (a test knows its processes by their path); those
# that need the machine for themselves come last, one by one.
set -u
cd "$(dirname "$0")/.." || exit 2
: "${BUILD:=build}"
NODE=$(eval echo "${NODE:-node}")
alone=" load.test.mjs messages.test.mjs chaos.test.mjs frontend.test.mjs "
results=$(mktemp -d)
log=$BUILD/test.log
: >"$log"
export BUILD NODE results log

# A MongoDB server for the unit tests of the store.
mongo=$(mktemp -d)
if [ $# -eq 0 ] && [ -z "${TEST_MONGODB_URL:-}" ]; then
	port=$((20000 + $$ % 10000))
	tests/mongo/serve.sh "$port" "$mongo" >"$BUILD/mongo.log" 2>&1 &
	server=$!
	export TEST_MONGODB_URL="mongodb://127.0.0.1:$port"
fi
trap 'kill ${server:-} 2>/dev/null; rm -rf "$mongo" "$results" "$BUILD"/lane-*' EXIT
trap 'exit 1' INT TERM HUP

# Notes a runner's counts; one that ended badly without counting a failure is a failure itself.
cat >"$results/note" <<'NOTE'
name=$1 passed=${2:-0} failed=${3:-0} code=$4 output=$5
if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
echo "$passed $failed" >"$results/$name.count"
cat "$output" >>"$log"
if [ "$code" -eq 0 ]; then
	echo "$name: $passed passed, $failed failed"
else
	{ echo "$name: $passed passed, $failed failed"; cat "$output"; } >"$output.told"
	cat "$output.told"
fi
NOTE
cat >"$results/file" <<'FILE'
file=$1 name=$(basename "$1") lane=$BUILD/lane-${LANE:-0} output=$results/$(basename "$1").log
if [ ! -d "$lane" ]; then
	mkdir -p "$lane"
	cp -a "$BUILD/bin" "$BUILD/hostile" "$lane/"
fi
# What a failed test leaves running does not hold its file up.
BUILD=$lane timeout 600 "$NODE" --test --test-force-exit --test-reporter=spec "$file" >"$output" 2>&1
code=$?
sh "$results/note" "$name" "$(sed -n 's/^ℹ pass \([0-9]*\)/\1/p' "$output" | tail -1)" \
	"$(sed -n 's/^ℹ fail \([0-9]*\)/\1/p' "$output" | tail -1)" $code "$output"
FILE

if [ $# -eq 0 ]; then
	for program in "$BUILD"/unit/test_*; do
		[ -x "$program" ] || continue
		case $program in *.d | *.o) continue ;; esac
		output=$results/$(basename "$program").log
		timeout 300 "$program" >"$output" 2>&1
		code=$?
		sh "$results/note" "$(basename "$program")" "$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$output" | head -1)" \
			"$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$output" | head -1)" $code "$output"
	done
	# The longest first.
	set -- tests/e2e/hosts.test.mjs tests/fault/database.test.mjs
	for file in tests/e2e/*.test.mjs tests/fault/*.test.mjs; do
		case " $* " in *" $file "*) ;; *) set -- "$@" "$file" ;; esac
	done
fi

together="" last=""
for file in "$@"; do
	case $alone in
	*" $(basename "$file") "*) last="$last $file" ;;
	*) together="$together $file" ;;
	esac
done
# shellcheck disable=SC2086
printf '%s\n' $together | xargs -r -P 3 -n 1 --process-slot-var=LANE sh "$results/file"
for file in $last; do
	LANE=0 sh "$results/file" "$file"
done

cat "$results"/*.count 2>/dev/null | awk '{ p += $1; f += $2 } END { printf "%d passed, %d failed\n", p, f; exit f > 0 }'
