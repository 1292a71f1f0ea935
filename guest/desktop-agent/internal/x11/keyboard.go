package x11

import (
	"context"
	"time"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// Key presses and releases a chord, as often as asked. Modifiers that the chord
// begins with stay pressed in between.
func (d *Display) Key(ctx context.Context, a desktop.Key) error {
	syms, err := parseChord(a.Keys)
	if err != nil {
		return err
	}
	return d.act(ctx, false, func() error {
		if err := d.seesKeys(); err != nil {
			return err
		}
		return d.chord(ctx, a, syms)
	})
}

// PressPaste presses the keys that make programs paste, Shift+Insert. Keys that
// [Display.KeyDown] holds are let go meanwhile, which would make another chord
// of them.
func (d *Display) PressPaste(ctx context.Context) error {
	paste := desktop.Key{Keys: "shift+Insert"}
	syms, err := parseChord(paste.Keys)
	if err != nil {
		return err
	}
	return d.act(ctx, false, func() error {
		defer d.letGo()()
		held := len(d.input.held)
		defer func() { d.releaseTo(held) }() // before that
		return d.chord(ctx, paste, syms)
	})
}

// chord presses and releases keys that have been parsed.
func (d *Display) chord(ctx context.Context, a desktop.Key, syms []xproto.Keysym) error {
	strokes, err := d.strokes(ctx, syms)
	if err != nil {
		return err
	}
	n := 0
	for n < len(syms)-1 && isModifier(syms[n]) {
		n++
	}
	if err := d.up(a.Keys, strokes[n:]); err != nil {
		return err
	}
	repeat, err := d.suspendRepeat()
	if err != nil {
		return err
	}
	defer repeat()
	d.pressKeys(strokes[:n])
	held := len(d.input.held)
	for i := range max(a.Repeat, 1) {
		if i > 0 {
			if err := d.apart(ctx); err != nil {
				return err
			}
		}
		d.pressKeys(strokes[n:])
		d.releaseTo(held)
	}
	return d.managed(ctx)
}

// seesKeys makes it known when no window will get the keys that are about to be
// pressed. They are pressed all the same, as some are for the window manager.
func (d *Display) seesKeys() error {
	focused, err := d.isFocused()
	if err == nil && !focused {
		d.notice("no window has the keyboard focus, so that nobody but the window manager can have seen the key: click into the window that is meant first")
	}
	return err
}

// HoldKey holds a chord down for a time.
func (d *Display) HoldKey(ctx context.Context, a desktop.HoldKey) error {
	syms, err := parseChord(a.Keys)
	if err != nil {
		return err
	}
	return d.act(ctx, false, func() error {
		strokes, err := d.strokes(ctx, syms)
		if err != nil {
			return err
		}
		if err := d.up(a.Keys, strokes[len(strokes)-1:]); err != nil {
			return err
		}
		if err := d.seesKeys(); err != nil {
			return err
		}
		d.pressKeys(strokes)
		return d.pause(ctx, time.Duration(a.DurationMS)*time.Millisecond)
	})
}

// suspendRepeat keeps the server from repeating keys that are down, and returns
// what lets it again. On a crowded machine the time between a press and its
// release can be longer than the delay after which a key repeats.
func (d *Display) suspendRepeat() (restore func(), err error) {
	control, err := await(d, xproto.GetKeyboardControl(d.conn))
	if err != nil {
		return nil, err
	}
	if control.GlobalAutoRepeat != xproto.AutoRepeatModeOn {
		return func() {}, nil
	}
	set := func(mode uint32) {
		xproto.ChangeKeyboardControl(d.conn, xproto.KbAutoRepeatMode, []uint32{mode})
	}
	set(xproto.AutoRepeatModeOff)
	return func() { set(xproto.AutoRepeatModeOn) }, nil
}

// apart makes the next press one of its own. The server's clock counts
// milliseconds. Of two presses of a button with one time, Chromium counts the
// second as the first; a key that is pressed at the time of its release is
// taken for the repetition of one that is held.
func (d *Display) apart(ctx context.Context) error {
	if err := d.barrier(ctx); err != nil {
		return err
	}
	nextTick()
	return nil
}

// strokes returns how to get each of syms, giving scratch keycodes to those
// that the keymap lacks.
func (d *Display) strokes(ctx context.Context, syms []xproto.Keysym) ([]stroke, error) {
	if err := d.loadKeymap(ctx); err != nil {
		return nil, err
	}
	if err := d.assign(ctx, syms); err != nil {
		return nil, err
	}
	strokes := make([]stroke, len(syms))
	for i, s := range syms {
		strokes[i] = d.input.keys.strokes[s]
	}
	return strokes, nil
}

// pressKeys presses keys in order, each with the modifiers that choose its
// meaning.
func (d *Display) pressKeys(strokes []stroke) {
	m := &d.input.keys
	for _, s := range strokes {
		if s.shift {
			d.press(press{xproto.KeyPress, m.shift})
		}
		if s.level3 {
			d.press(press{xproto.KeyPress, m.level3})
		}
		d.press(press{xproto.KeyPress, s.code})
		m.touch(s.code)
	}
}

// modifierKeys returns the strokes of the modifiers of a pointer action, each
// of which may be a chord of them.
func (d *Display) modifierKeys(ctx context.Context, names []string) ([]stroke, error) {
	syms, err := modifierSyms(names)
	if err != nil || len(syms) == 0 {
		return nil, err
	}
	return d.strokes(ctx, syms)
}

func modifierSyms(names []string) ([]xproto.Keysym, error) {
	var syms []xproto.Keysym
	for _, name := range names {
		chord, err := parseChord(name)
		if err != nil {
			return nil, err
		}
		for _, s := range chord {
			if !isModifier(s) {
				return nil, desktop.Errorf(desktop.CodeInvalid, "%q is not a modifier: use ctrl, shift, alt or super", name)
			}
		}
		syms = append(syms, chord...)
	}
	return syms, nil
}
