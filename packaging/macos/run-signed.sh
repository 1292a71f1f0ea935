#!/bin/sh
# Signs a program and runs it. For tests, which go builds and runs in one go:
#
#   go test -exec "$PWD/packaging/macos/run-signed.sh" ./sandbox/vz
set -eu

sh "$(dirname "$0")/sign.sh" "$1"
exec "$@"
