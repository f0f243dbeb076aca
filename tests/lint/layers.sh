#!/bin/sh
# Who may include whom: each line below is a folder and the folders of ours that
# its files may include. Prints each #include that breaks the table.
set -u
cd "$(dirname "$0")/../.." || exit 2

table='
lib/base:
lib/config: lib/base
proto: lib/base
lib/loop: lib/base
lib/daemon: proto lib/loop lib/config lib/base
lib/http: lib/loop lib/config lib/base
lib/twilio: lib/http lib/base
lib/store: lib/loop lib/base
supervisor: lib/daemon lib/loop proto lib/config lib/base
voiced: lib/daemon lib/http lib/twilio lib/store lib/loop proto lib/config lib/base
smsd: lib/daemon lib/http lib/twilio lib/store lib/loop proto lib/config lib/base
mcpd: lib/daemon lib/loop lib/http proto lib/config lib/base
callworker: proto lib/base
'
code=0
echo "$table" | while IFS=: read -r folder allowed; do
	[ -n "$folder" ] || continue
	find "$folder" -name '*.[ch]' -not -path '*/node_modules/*' | while read -r file; do
		grep -ho '#include "[^"]*/[^"]*"' "$file" | sed 's/.*"\(.*\)\/[^/]*"/\1/; s/^\(lib\/[^/]*\).*/\1/; /^lib/!s/\/.*//' | sort -u | while read -r used; do
			case " $folder $allowed " in
			*" $used "*) ;;
			*) echo "$file includes $used, which $folder may not" ;;
			esac
		done
	done
done >build/layers.txt
if [ -s build/layers.txt ]; then
	cat build/layers.txt
	code=1
fi
rm -f build/layers.txt
[ $code -eq 0 ] && echo "ok layers"
exit $code
