# Functions with which the demo looks at the desktop from inside the guest.

# await WANT COMMAND: runs COMMAND until it prints WANT or a minute has passed,
# and prints what it printed last.
await() {
	end=$(($(date +%s) + 60))
	until got=$(eval "$2" 2>/dev/null); [ "$got" = "$1" ] || [ "$(date +%s)" -ge $end ]; do
		sleep 0.2
	done
	printf '%s' "$got"
}

# windows: the managed windows, oldest first.
windows() {
	xprop -root _NET_CLIENT_LIST | sed -n 's/.*# //p' | tr -d ,
}

# window TEXT: the id of the newest viewable window whose class or title holds
# TEXT; fails when there is none.
window() {
	found=
	for id in $(windows); do
		if xprop -id "$id" WM_CLASS _NET_WM_NAME | grep -qiF "$1" &&
			xwininfo -id "$id" | grep -q IsViewable; then
			found=$id
		fi
	done
	[ -n "$found" ] && echo "$found"
}

# title TEXT: the title of that window.
title() {
	xprop -id "$(window "$1")" _NET_WM_NAME | sed -n 's/^[^"]*"\(.*\)"$/\1/p' | sed 's/\\"/"/g'
}

# place TEXT: x, y, width and height of the inside of that window, and the
# height of its title bar.
place() {
	id=$(window "$1") || return 1
	xwininfo -id "$id" | awk '
		/Absolute upper-left X/ { x = $NF }
		/Absolute upper-left Y/ { y = $NF }
		/Width:/ { w = $NF }
		/Height:/ { h = $NF }
		END { printf "%d %d %d %d ", x, y, w, h }'
	xprop -id "$id" _NET_FRAME_EXTENTS | sed -n 's/.*= //p' | awk -F ', ' '{ print $3 + 0 }'
}

# appear TEXT SECONDS: waits for the window, then prints its place.
appear() {
	end=$(($(date +%s) + $2))
	until window "$1" >/dev/null; do
		if [ "$(date +%s)" -ge $end ]; then
			echo "no window $1 after $2 seconds" >&2
			return 1
		fi
		sleep 0.2
	done
	place "$1"
}
