package x11

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jezek/xgb/res"
	"github.com/jezek/xgb/xproto"
)

const (
	// answerTime is how long a client may take to show that it has seen what
	// was typed. One that has hung must not hold the driver.
	answerTime = 2 * time.Second
	// restTime is how long a process must have slept to be at rest. One that
	// has events to read is woken at once.
	restTime = 3 * time.Millisecond
)

// caughtUp returns when the client that has the keyboard focus has processed
// the keys that were sent to it, as far as that can be known: it answers a ping
// (_NET_WM_PING, which window managers use to find out whether a program
// hangs), or its process has been asleep for a moment, or at least the screen
// has calmed down.
func (d *Display) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, errNoAnswer)
	defer cancel()
	err := d.clientCaughtUp(ctx)
	if err != nil {
		if context.Cause(ctx) != errNoAnswer {
			return err
		}
		// It is not asked again for the rest of this action.
		d.input.silent = true
	}
	clear(d.input.keys.inFlight)
	return nil
}

var errNoAnswer = os.ErrDeadlineExceeded

func (d *Display) clientCaughtUp(ctx context.Context) error {
	if d.input.silent {
		return d.calm(ctx)
	}
	window, pings, err := d.focusedWindow()
	if err != nil {
		return err
	}
	if pings {
		return d.ping(ctx, window)
	}
	if pid := d.pidOf(window); pid != 0 {
		return d.asleep(ctx, pid)
	}
	return d.calm(ctx)
}

// focusedWindow returns the window with the keyboard focus, or the one around
// it that answers pings.
func (d *Display) focusedWindow() (window xproto.Window, pings bool, err error) {
	focus, err := await(d, xproto.GetInputFocus(d.conn))
	if err != nil {
		return 0, false, err
	}
	focused := focus.Focus
	if focused == xproto.InputFocusPointerRoot {
		at, err := await(d, xproto.QueryPointer(d.conn, d.root))
		if err != nil {
			return 0, false, err
		}
		focused = at.Child
	}
	// A window that goes away meanwhile has no parent and no properties.
	for w, depth := focused, 0; w > xproto.InputFocusPointerRoot && w != d.root && depth < 16; depth++ {
		protocols, err := await(d, xproto.GetProperty(d.conn, false, w, d.atoms.wmProtocols, xproto.AtomAtom, 0, 64))
		if err != nil {
			break
		}
		for i := range int(protocols.ValueLen) {
			if protocols.Format == 32 && xproto.Atom(le32(protocols.Value[4*i:])) == d.atoms.netWMPing {
				return w, true, nil
			}
		}
		tree, err := await(d, xproto.QueryTree(d.conn, w))
		if err != nil {
			break
		}
		w = tree.Parent
	}
	return focused, false, nil
}

func (d *Display) ping(ctx context.Context, window xproto.Window) error {
	n, answered, forget := d.ticket(d.pongs, nil)
	defer forget()
	d.send(window, 0, d.atoms.wmProtocols, window, []uint32{uint32(d.atoms.netWMPing), n, uint32(window)})
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.done:
		return d.wire.reason()
	}
}

// pidOf returns the process that a window belongs to, or 0 when the server
// cannot tell.
func (d *Display) pidOf(window xproto.Window) int {
	if !d.resources || window <= xproto.InputFocusPointerRoot {
		return 0
	}
	spec := []res.ClientIdSpec{{Client: uint32(window), Mask: res.ClientIdMaskLocalClientPID}}
	reply, err := await(d, res.QueryClientIds(d.conn, 1, spec))
	if err != nil {
		return 0
	}
	for _, id := range reply.Ids {
		if id.Spec.Mask&res.ClientIdMaskLocalClientPID != 0 && len(id.Value) > 0 {
			return int(id.Value[0])
		}
	}
	return 0
}

// asleep waits until a process has slept for a while. There is no event to
// wait for; the kernel's counters tell.
func (d *Display) asleep(ctx context.Context, pid int) error {
	before := ""
	for {
		now, ok := restState(pid)
		if !ok {
			return d.calm(ctx)
		}
		if now != "" && now == before {
			return nil
		}
		before = now
		if err := d.pause(ctx, restTime); err != nil {
			return err
		}
	}
}

// restState returns a word that stays the same for as long as the first thread
// of a process does not run. It is empty while it runs.
func restState(pid int) (state string, ok bool) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return "", false
	}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); key {
		case "State":
			if !strings.HasPrefix(value, "S") {
				return "", true
			}
		case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
			state += value + " "
		}
	}
	return state, state != ""
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// isScratch reports whether a keycode is one of ours.
func (m *keymap) isScratch(code byte) bool { return slices.Contains(m.scratch, code) }

// touch remembers that a key was typed.
func (m *keymap) touch(code byte) {
	if m.isScratch(code) {
		m.clock++
		m.used[code] = m.clock
		m.inFlight[code] = true
	}
}
