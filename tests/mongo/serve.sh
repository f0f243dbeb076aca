#!/bin/sh
# serve.sh PORT FOLDER: a MongoDB server on loopback, in the foreground: mongod, or ours.
port=$1 folder=$2
if command -v mongod >/dev/null; then
	exec mongod --bind_ip 127.0.0.1 --port "$port" --dbpath "$folder" --quiet
fi
exec "$(dirname "$0")/../../build/bin/mongo-server" "127.0.0.1:$port" "$folder"
