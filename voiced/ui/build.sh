#!/bin/sh
# build.sh OUT.h: builds the pages (TypeScript checked, Vite) and makes a table of them for voiced.
set -eu
out=$(realpath "$1")
cd "$(dirname "$0")"
node=$(ls "$PWD"/../../tests/node_modules/node-linux-*/bin/node 2>/dev/null | head -1 || true)
[ -n "$node" ] || node=$(command -v node || true)
if [ -z "$node" ] || [ "$("$node" -p 'process.versions.node.split(".")[0] >= 20')" != true ]; then
	echo "The pages are built with Node.js 20 or later: run \`make deps\`, which fetches one." >&2
	exit 1
fi
PATH=$(dirname "$node"):$PATH
export PATH
[ node_modules/.package-lock.json -nt package-lock.json ] || { npm ci --no-audit --no-fund --loglevel=error >/dev/null && touch node_modules/.package-lock.json; }
node node_modules/typescript/bin/tsc --noEmit
node node_modules/vite/bin/vite.js build --logLevel warn --emptyOutDir --outDir "$(dirname "$out")/dist"
node ../api/openapi.mjs >"$(dirname "$out")/dist/openapi.json"
node embed.mjs "$(dirname "$out")/dist" >"$out.new"
mv "$out.new" "$out"
