#!/bin/sh
# Signs programs so that macOS lets them run virtual machines.
#
#   packaging/macos/sign.sh PROGRAM...
#
# The signature is ad hoc: it takes no Apple account, and holds on the Mac that
# it was made on. Set VMETTE_IDENTITY to the name of a certificate in the keychain
# to sign with that instead.
set -eu

[ $# -gt 0 ] || { echo "sign.sh: name the programs to sign" >&2; exit 2; }
entitlements=$(dirname "$0")/entitlements.plist
for program; do
	codesign --force --sign "${VMETTE_IDENTITY:--}" --entitlements "$entitlements" "$program"
done
