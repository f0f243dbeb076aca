#!/bin/sh
# Makes build/bin/mongo-server, unless mongod is on the PATH. Needs Go 1.22; an
# older one, or none, is made up for by the toolchain that the Go module proxy has.
set -eu
cd "$(dirname "$0")/../.."
go=build/go/bin/go version=v0.0.1-go1.22.12 out=$PWD/build/bin/mongo-server

if command -v mongod >/dev/null || { [ -x "$out" ] && [ "$out" -nt tests/mongo/main.go ]; }; then exit 0; fi
for candidate in "$(command -v go || true)" /usr/local/go/bin/go; do
	case $("${candidate:-false}" env GOVERSION 2>/dev/null) in
	go1.2[2-9]* | go1.[3-9][0-9]*) go=$candidate && break ;;
	esac
done
if [ ! -x "$go" ]; then
	case $(uname -m) in x86_64) machine=amd64 ;; aarch64) machine=arm64 ;; *) machine=$(uname -m) ;; esac
	echo "Fetching Go for the tests' MongoDB server (into build/go)"
	curl -fsSL -o build/go.zip "https://proxy.golang.org/golang.org/toolchain/@v/$version.linux-$machine.zip"
	rm -rf build/go.part build/go
	unzip -q build/go.zip -d build/go.part
	mv "build/go.part/golang.org/toolchain@$version.linux-$machine" build/go
	chmod +x build/go/bin/* build/go/pkg/tool/*/*
	rm -rf build/go.zip build/go.part
fi
go=$(realpath "$go")
echo "Building a MongoDB server for the tests"
mkdir -p build/bin
cd tests/mongo
GOFLAGS=-buildvcs=false GOTOOLCHAIN=local "$go" build -o "$out" .
