#!/bin/sh
# Who may include whom. Prints each #include that breaks a table below, each
# exception that nobody needs any more, and each cycle of headers.
set -u
cd "$(dirname "$0")/../.." || exit 2

# A folder, and the folders that its files may include.
folders='
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

# The same inside a process, for folders and single headers. A lower folder tells a
# higher one by a callback. What has no folder there (main.c and its like) may include
# all of the process; its headers may not, but for what they have a line for.
inside='
lib/store/sqlite: lib/store
lib/store/mongodb: lib/store
lib/store/spool: lib/store lib/store/sqlite

voiced/voiced.h: voiced/registry
voiced/registry:
voiced/shared: voiced/voiced.h voiced/registry
voiced/guard_rails: voiced/voiced.h voiced/shared voiced/registry
voiced/retention: voiced/voiced.h voiced/shared voiced/registry
voiced/workers: voiced/voiced.h voiced/retention voiced/guard_rails voiced/shared voiced/registry
voiced/calls: voiced/voiced.h voiced/workers voiced/retention voiced/guard_rails voiced/shared voiced/registry
voiced/numbers: voiced/voiced.h voiced/retention voiced/shared voiced/registry
voiced/frontend: voiced/voiced.h voiced/calls voiced/workers voiced/shared voiced/registry
voiced/api: voiced/voiced.h voiced/http_routes.h voiced/frontend voiced/numbers voiced/calls voiced/workers voiced/retention voiced/guard_rails voiced/shared voiced/registry
voiced/webhooks: voiced/voiced.h voiced/http_routes.h voiced/numbers voiced/calls voiced/workers voiced/retention voiced/shared voiced/registry

callworker/process:
callworker/net: callworker/process
callworker/audio: callworker/net
callworker/providers: callworker/audio callworker/net
callworker/control: callworker/audio callworker/net callworker/process
callworker/conversation: callworker/providers callworker/audio callworker/net
callworker/call: callworker/conversation callworker/control callworker/providers callworker/audio callworker/net callworker/process

smsd/messages: smsd/smsd.h
smsd/outbox: smsd/smsd.h smsd/messages
smsd/api: smsd/smsd.h smsd/outbox smsd/messages

mcpd/features: mcpd/mcpd.h mcpd/daemon_client.h mcpd/request.h mcpd/rpc.h
mcpd/transport: mcpd/mcpd.h mcpd/rpc.h mcpd/rpc_parse.h mcpd/request.h mcpd/features
'

# FILE HEADER: breaks the table above, and is to be mended.
exceptions='
# What may change the load reports it itself.
voiced/api/control_socket.c voiced/load_report.h
voiced/webhooks/twilio.c voiced/load_report.h
voiced/workers/worker.c voiced/load_report.h
# A worker hands the events of its call upwards by name.
voiced/workers/worker.c voiced/calls/worker_events.h
# The events of a call are counted where the figures are read.
voiced/calls/worker_events.c voiced/api/stats.h
# A transfer answers the webhooks of Twilio itself.
voiced/calls/transfer.c voiced/webhooks/webhook.h
# The requests to delete calls and to fetch recordings are answered in the files that keep them.
voiced/retention/call_deletion.c voiced/api/call_commands.h
voiced/retention/call_deletion.c voiced/api/call_search.h
voiced/retention/call_deletion.c voiced/calls/schedule.h
voiced/retention/recordings.c voiced/api/call_commands.h
voiced/retention/recordings.c voiced/calls/schedule.h
# The conversation of a message is noted before the message is stored.
smsd/outbox/outbox.c smsd/api/conversations.h
# struct audio_format is declared by the providers, who tell theirs.
callworker/audio/transcode.h callworker/providers/provider.h
'

mkdir -p build
includes=build/includes.txt
find lib proto supervisor voiced callworker smsd mcpd -name node_modules -prune -o -name '*.[ch]' -print | sort |
	xargs grep -Ho '^#include "[^"]*/[^"]*"' | sed 's/:#include "\(.*\)"$/ \1/' >$includes

found=$(
	awk -v folders="$folders" -v inside="$inside" -v exceptions="$exceptions" '
	function read_table(text, table, i, n, lines, at) {
		n = split(text, lines, "\n")
		for (i = 1; i <= n; i++)
			if ((at = index(lines[i], ":")) > 0)
				table[substr(lines[i], 1, at - 1)] = substr(lines[i], at + 1) " "
	}
	function folder_of(path) {
		sub("/[^/]*$", "", path)
		return path
	}
	# The line of the first table that a path falls under: lib/store for lib/store/mongodb/bson.h.
	function part_of(path) {
		for (path = folder_of(path); !(path in parts) && index(path, "/"); path = folder_of(path))
			;
		return path
	}
	function allows(list, header) {
		return index(list, " " folder_of(header) " ") || index(list, " " header " ")
	}
	BEGIN {
		read_table(folders, parts)
		read_table(inside, rooms)
		n = split(exceptions, lines, "\n")
		for (i = 1; i <= n; i++)
			if (lines[i] != "" && lines[i] !~ /^#/)
				excepted[lines[i]] = 1
	}
	{
		part = part_of($1)
		used = part_of($2)
		room = folder_of($1)
		if (used != part) {
			if (!index(" " parts[part], " " used " "))
				print $1 " includes " $2 ", which " part " may not"
			next
		}
		if (folder_of($2) == room)
			next
		if (room == part)
			room = $1 ~ /\.c$/ ? "" : $1
		else if (!(room in rooms)) {
			print room " has no line in tests/lint/layers.sh"
			next
		}
		if (room == "" || allows(rooms[room], $2))
			next
		if ($0 in excepted)
			needed[$0] = 1
		else
			print $1 " includes " $2 ", which " room " may not"
	}
	END {
		for (pair in excepted)
			if (!(pair in needed))
				print pair ": not needed as an exception"
	}' $includes
	grep '\.h .*\.h$' $includes | tsort 2>&1 >/dev/null | sed 's/^tsort: //; s/^-: .*/Headers that include each other:/'
)
rm -f $includes
if [ -n "$found" ]; then
	echo "$found"
	exit 1
fi
echo "ok layers"
