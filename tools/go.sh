#!/bin/sh
# Prints the path of a go command that can build this module.
#
# Go 1.21 and later fetch the toolchain that go.mod asks for by themselves.
# Debian 12's Go 1.19 cannot, but it can download that toolchain as a module,
# verified by Go's checksum database; with --install that is done once, into
# the user's cache.
set -eu

cd "$(dirname "$0")/.."
version=$(sed -n 's/^go //p' go.mod)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vmette/go$version

minor() { # minor GO: prints 19 for a Go 1.19.8, nothing for no Go
	GOTOOLCHAIN=local "$1" version 2>/dev/null | sed -n 's/^go version go1\.\([0-9]*\).*/\1/p'
}

have=$(minor go)
if [ "${have:-0}" -ge 21 ]; then
	command -v go
	exit
fi
if [ -x "$cache/bin/go" ]; then
	echo "$cache/bin/go"
	exit
fi
if [ "${1:-}" != --install ]; then
	echo go
	exit
fi
if [ "${have:-0}" -lt 16 ]; then
	echo "setup: Go is missing: install Go $version or later, so that 'go version' works" >&2
	exit 1
fi

echo "setup: fetching Go $version with Go 1.$have" >&2
tmp=$cache.$$
trap 'rm -rf "$tmp"' EXIT INT TERM
platform=$(go env GOOS)-$(go env GOARCH)
mkdir -p "$tmp/empty"
echo 'module empty' >"$tmp/empty/go.mod"
(cd "$tmp/empty" && GOFLAGS=-modcacherw GOMODCACHE=$tmp/mod \
	go mod download "golang.org/toolchain@v0.0.1-go$version.$platform")
tree=$tmp/mod/golang.org/toolchain@v0.0.1-go$version.$platform
# Modules carry no executable bits.
chmod -R u+w "$tree"
find "$tree/bin" "$tree/pkg/tool" -type f -exec chmod a+x {} +
mv "$tree" "$cache" 2>/dev/null || [ -x "$cache/bin/go" ]
echo "$cache/bin/go"
