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
	})
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
		d.pressKeys(strokes)
		return d.pause(ctx, time.Duration(a.DurationMS)*time.Millisecond)
	})
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
