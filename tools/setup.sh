#!/bin/sh
# Names what this host lacks to build and run vmette-mcp, and installs it.
#
#   tools/setup.sh         what it takes to build and run
#   tools/setup.sh test    and to test
#   tools/setup.sh ci      and to check with the race detector
#   tools/setup.sh conformance   what it takes to build, run and check against the official suite
#
# Quiet and quick when nothing is missing. It installs with apt, through sudo
# when not root; where that is not possible it says in one line what to install.
set -eu

cd "$(dirname "$0")/.."
goal=${1:-run}
missing=

need() { # need COMMAND PACKAGE...: PACKAGE... provides COMMAND
	command -v "$1" >/dev/null 2>&1 && return
	shift
	missing="$missing $*"
}

need_file() { # need_file PATH PACKAGE
	[ -e "$1" ] || missing="$missing $2"
}

need_python() { # need_python CODE PACKAGE: CODE runs in Debian's own Python
	/usr/bin/python3 -c "$1" 2>/dev/null || missing="$missing $2"
}

PATH=$PATH:/usr/sbin:/sbin

if [ "$(uname -s)" != Linux ]; then
	echo "setup: this needs Linux: sandboxes run on QEMU there" >&2
	exit 1
fi
case $(uname -m) in
x86_64) need qemu-system-x86_64 qemu-system-x86 ;;
*)
	echo "setup: no support for $(uname -m) yet: use x86_64" >&2
	exit 1
	;;
esac
need mmdebstrap mmdebstrap
need mksquashfs squashfs-tools
need mkfs.ext4 e2fsprogs
if ! command -v virtiofsd >/dev/null 2>&1 && [ ! -x /usr/libexec/virtiofsd ]; then
	need_file /usr/lib/qemu/virtiofsd qemu-system-common
fi
need_file /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
need_file /etc/ssl/certs/ca-certificates.crt ca-certificates
# Without root, mmdebstrap builds in a user namespace with mapped ids.
[ "$(id -u)" = 0 ] || need newuidmap uidmap
# The version does not matter much: see go.sh.
[ -x "$(sh tools/go.sh)" ] || need go golang-go

case $goal in
run) ;;
test | ci)
	need Xvnc tigervnc-standalone-server
	need Xvfb xvfb
	need openbox openbox
	need xterm xterm
	need chromium chromium
	need_python 'import gi' python3-gi
	need_python 'import gi; gi.require_version("Gtk", "3.0")' gir1.2-gtk-3.0
	need_python 'import PyQt5.QtWidgets' python3-pyqt5
	need busybox busybox-static
	need xauth xauth
	need xrandr x11-xserver-utils
	need setxkbmap x11-xkb-utils
	need xkbcomp x11-xkb-utils
	need_file /usr/include/X11/keysymdef.h x11proto-dev
	need git git
	need ip iproute2
	need gcc gcc libc6-dev
	;;
conformance) need npm npm ;;
*)
	echo "setup: unknown goal $goal: say nothing, test, ci or conformance" >&2
	exit 2
	;;
esac

if [ -n "$missing" ]; then
	sudo=
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "setup: install the equivalents of these Debian packages, then try again:$missing" >&2
		exit 1
	fi
	if [ "$(id -u)" != 0 ]; then
		sudo=sudo
		if ! command -v sudo >/dev/null 2>&1; then
			echo "setup: as root, run: apt-get install$missing" >&2
			exit 1
		fi
	fi
	echo "setup: installing$missing" >&2
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT INT TERM
	apt() {
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1
	}
	# shellcheck disable=SC2086 # the list is meant to be split
	apt update || true # one broken source of many must not keep the others from serving
	if ! apt install -y --no-install-recommends $missing; then
		tail -n 20 "$log" >&2
		echo "setup: apt-get failed; install these, then try again:$missing" >&2
		exit 1
	fi
fi

sh tools/go.sh --install >/dev/null
