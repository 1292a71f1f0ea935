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

	"github.com/vmette/vmette-mcp/desktop"
)

const (
	// answerTime is how long a client may take to show that it has seen what
	// was typed. One that has hung must not hold the driver.
	answerTime = 2 * time.Second
	// readingTime is the same for a program that reads a text. On a crowded
	// machine it may be slow; without its answer the text ends.
	readingTime = 10 * time.Second
	// restTime is how long a process must have slept to be at rest. One that
	// has events to read is woken at once.
	restTime = 3 * time.Millisecond
)

// caughtUp returns when the client that has the keyboard focus has processed
// the keys that were sent to it, as far as that can be known: it answers a ping
// (_NET_WM_PING, which window managers use to find out whether a program
// hangs), or its process has been asleep for a moment, or at least the screen
// has calmed down.
//
// A program that does not answer pings hangs, or is too slow for the keys: it
// must not be sent more, or they would change their meaning before it reads
// them. That is errHung.
func (d *Display) caughtUp(ctx context.Context) error {
	limit, cancel := context.WithTimeoutCause(ctx, readingTime, errNoAnswer)
	defer cancel()
	switch err := d.clientCaughtUp(limit); {
	case err == errHung:
		return err
	case err != nil && ctx.Err() == nil && context.Cause(limit) == errNoAnswer:
		// It never sleeps. It is not asked again for the rest of this action.
		d.input.silent = true
	case err != nil:
		return err
	}
	clear(d.input.keys.inFlight)
	return nil
}

var errNoAnswer = os.ErrDeadlineExceeded

var errHung = desktop.Errorf(desktop.CodeNotDelivered, "the application with the keyboard focus has not answered for %v: wait, or take a screenshot and look what it does", readingTime)

func (d *Display) clientCaughtUp(ctx context.Context) error {
	if d.input.silent {
		return d.calm(ctx)
	}
	focused, err := d.focusedWindow()
	if err != nil {
		return err
	}
	err = d.handled(ctx, focused)
	if _, pings := d.pinged(focused); err != nil && pings && context.Cause(ctx) == errNoAnswer {
		return errHung
	}
	return err
}

// handled returns when the client of a window has processed what was sent to it.
func (d *Display) handled(ctx context.Context, window xproto.Window) error {
	if around, ok := d.pinged(window); ok {
		return d.ping(ctx, around)
	}
	if pid := d.pidOf(window); pid != 0 {
		return d.asleep(ctx, pid)
	}
	return d.calm(ctx)
}

// focusedWindow returns the window with the keyboard focus.
func (d *Display) focusedWindow() (xproto.Window, error) {
	focus, err := await(d, xproto.GetInputFocus(d.conn))
	if err != nil {
		return 0, err
	}
	if focus.Focus != xproto.InputFocusPointerRoot {
		return focus.Focus, nil
	}
	at, err := await(d, xproto.QueryPointer(d.conn, d.root))
	if err != nil {
		return 0, err
	}
	return at.Child, nil
}

// pinged returns the window, or the one around it, that answers pings.
func (d *Display) pinged(window xproto.Window) (around xproto.Window, ok bool) {
	// A window that goes away meanwhile has no parent and no properties.
	for w, depth := window, 0; w > xproto.InputFocusPointerRoot && w != d.root && depth < 16; depth++ {
		protocols, err := await(d, xproto.GetProperty(d.conn, false, w, d.atoms.wmProtocols, xproto.AtomAtom, 0, 64))
		if err != nil {
			break
		}
		for i := range int(protocols.ValueLen) {
			if protocols.Format == 32 && xproto.Atom(le32(protocols.Value[4*i:])) == d.atoms.netWMPing {
				return w, true
			}
		}
		tree, err := await(d, xproto.QueryTree(d.conn, w))
		if err != nil {
			break
		}
		w = tree.Parent
	}
	return 0, false
}

func (d *Display) ping(ctx context.Context, window xproto.Window) error {
	answered, forget := d.sendPing(window)
	defer forget()
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.done:
		return d.wire.reason()
	}
}

// sendPing sends a ping and returns a channel that is closed when it is answered,
// and a function to forget about it.
func (d *Display) sendPing(window xproto.Window) (answered <-chan struct{}, forget func()) {
	n, answered, forget := d.ticket(d.pongs, nil)
	d.send(window, 0, d.atoms.wmProtocols, window, []uint32{uint32(d.atoms.netWMPing), n, uint32(window)})
	return answered, forget
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

// keymapRead returns when the focused client has read the keymap that was
// changed just now. Most get the change and the keys through one connection, in
// order, and need not be waited for. Chromium gets the keys through its own, and
// the texts that they stand for through GTK's.
func (d *Display) keymapRead(ctx context.Context) error {
	focused, err := d.focusedWindow()
	if err != nil {
		return err
	}
	pid := d.pidOf(focused)
	pids, _ := d.clients(ctx)
	connections := 0
	for _, p := range pids {
		if p == pid {
			connections++
		}
	}
	if connections < 2 {
		return nil
	}
	d.announceKeymap(focused)
	limit, cancel := context.WithTimeoutCause(ctx, answerTime, errNoAnswer)
	defer cancel()
	if err := d.asleep(limit, pid); err != nil && (ctx.Err() != nil || context.Cause(limit) != errNoAnswer) {
		return err
	}
	return nil // one that never sleeps is always about to read it
}

// announceKeymap tells the client of a window that the keymap has changed. On
// its own connection Chromium asks XKB for news of other keyboards alone, and a
// server keeps MappingNotify from those that ask XKB. It reads the keymap again
// when it gets one all the same; without that it does not know what the keys are
// called.
func (d *Display) announceKeymap(window xproto.Window) {
	setup := xproto.Setup(d.conn)
	e := xproto.MappingNotifyEvent{
		Request:      xproto.MappingKeyboard,
		FirstKeycode: setup.MinKeycode,
		Count:        byte(setup.MaxKeycode - setup.MinKeycode + 1),
	}
	xproto.SendEvent(d.conn, false, window, xproto.EventMaskNoEvent, string(e.Bytes()))
}

// asleep waits until a process has slept for a while, and not because it waits
// for the X server. There is no event to wait for; the kernel's counters tell.
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
		// What it has asked for before the first of these, the server has
		// answered at the second, which has woken it.
		for range 2 {
			if err := d.barrier(ctx); err != nil {
				return err
			}
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
