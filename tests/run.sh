#!/bin/sh
# Runs the unit tests, then the tests that start the real programs, and prints
# the totals as the last line. With arguments, only these .mjs files.
# BUILD is the folder of the programs, NODE the Node.js to use.
set -u
cd "$(dirname "$0")/.." || exit 2
: "${BUILD:=build}"
NODE=$(eval echo "${NODE:-node}")
passed=0 failed=0
log=$BUILD/test.log
: >"$log"

# A MongoDB server for those tests that need one but do not end it.
mongo=$(mktemp -d)
if [ -z "${TEST_MONGODB_URL:-}" ]; then
	port=$((20000 + $$ % 10000))
	tests/mongo/serve.sh "$port" "$mongo" >"$BUILD/mongo.log" 2>&1 &
	server=$!
	export TEST_MONGODB_URL="mongodb://127.0.0.1:$port"
fi
trap 'kill ${server:-} 2>/dev/null; rm -rf "$mongo"' EXIT
trap 'exit 1' INT TERM HUP

# Adds a runner's counts; one that ended badly without counting a failure is a failure itself.
count() { # passed failed exit-code
	passed=$((passed + $1))
	failed=$((failed + $2))
	if [ "$3" -ne 0 ] && [ "$2" -eq 0 ]; then failed=$((failed + 1)); fi
}

if [ $# -eq 0 ]; then
	for program in "$BUILD"/unit/test_*; do
		[ -x "$program" ] || continue
		case $program in *.d | *.o) continue ;; esac
		timeout 300 "$program" >"$log.part" 2>&1
		code=$?
		cat "$log.part" >>"$log"
		p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log.part" | head -1)
		f=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log.part" | head -1)
		echo "$(basename "$program"): ${p:-0} passed, ${f:-0} failed"
		[ $code -eq 0 ] || cat "$log.part"
		count "${p:-0}" "${f:-0}" $code
	done
	set -- tests/e2e/*.test.mjs tests/fault/*.test.mjs
fi

for file in "$@"; do
	timeout 600 "$NODE" --test --test-reporter=spec "$file" >"$log.part" 2>&1
	code=$?
	cat "$log.part" >>"$log"
	p=$(sed -n 's/^ℹ pass \([0-9]*\)/\1/p' "$log.part" | tail -1)
	f=$(sed -n 's/^ℹ fail \([0-9]*\)/\1/p' "$log.part" | tail -1)
	echo "$(basename "$file"): ${p:-0} passed, ${f:-0} failed"
	[ $code -eq 0 ] || cat "$log.part"
	count "${p:-0}" "${f:-0}" $code
done
rm -f "$log.part"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
