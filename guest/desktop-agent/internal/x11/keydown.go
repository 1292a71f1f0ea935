package x11

import (
	"context"
	"slices"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// heldKey is a key that [Display.KeyDown] pressed, with the modifiers that were
// pressed for its sake alone.
type heldKey struct {
	sym     xproto.Keysym
	key     press
	chooses []press
}

// KeyDown presses a chord, which stays pressed. Its keys must be those of the
// keymap: a keycode that other characters are given next cannot be held.
func (d *Display) KeyDown(ctx context.Context, a desktop.KeyDown) error {
	syms, err := parseChord(a.Keys)
	if err != nil {
		return err
	}
	return d.act(ctx, true, func() error {
		if err := d.loadKeymap(ctx); err != nil {
			return err
		}
		m := &d.input.keys
		for i, s := range syms {
			stroke, ok := m.strokes[s]
			switch {
			case !ok || m.isScratch(stroke.code):
				return desktop.Errorf(desktop.CodeInvalid, "the keyboard has no key for part %d of %q, so it cannot be held down: press it with key, or enter it with type", i+1, a.Keys)
			case slices.Contains(d.input.held, press{xproto.KeyPress, stroke.code}):
				return desktop.Errorf(desktop.CodeInvalid, "part %d of %q is held down already: release it with key_up first", i+1, a.Keys)
			}
		}
		d.input.down = slices.DeleteFunc(d.input.down, func(h heldKey) bool { return !slices.Contains(d.input.held, h.key) })
		for _, s := range syms {
			d.hold(s, m.strokes[s])
		}
		return nil
	})
}

// hold presses a key and remembers what must be released with it.
func (d *Display) hold(sym xproto.Keysym, s stroke) {
	before := len(d.input.held)
	d.pressKeys([]stroke{s})
	pressed := slices.Clone(d.input.held[before:])
	if len(pressed) == 0 {
		return // named twice in one chord
	}
	last := len(pressed) - 1
	d.input.down = append(d.input.down, heldKey{sym, pressed[last], pressed[:last]})
}

// KeyUp releases a chord that [Display.KeyDown] pressed, the last key first.
func (d *Display) KeyUp(ctx context.Context, a desktop.KeyUp) error {
	syms, err := parseChord(a.Keys)
	if err != nil {
		return err
	}
	return d.act(ctx, true, func() error {
		if err := d.loadKeymap(ctx); err != nil {
			return err
		}
		var keys []heldKey
		for i, s := range slices.Backward(syms) {
			h, ok := d.downKey(s)
			if !ok {
				return desktop.Errorf(desktop.CodeInvalid, "part %d of %q is not held down: press it with key_down first", i+1, a.Keys)
			}
			keys = append(keys, h)
		}
		for _, h := range keys {
			d.release(h.key)
			for _, p := range slices.Backward(h.chooses) {
				d.release(p)
			}
		}
		return nil
	})
}

// downKey finds the key that is held for a keysym: what KeyDown was told, or what
// is on the same key, such as "a" when "A" was pressed.
func (d *Display) downKey(sym xproto.Keysym) (heldKey, bool) {
	code := d.input.keys.strokes[sym].code
	for _, h := range d.input.down {
		if (h.sym == sym || h.key.detail == code) && slices.Contains(d.input.held, h.key) {
			return h, true
		}
	}
	return heldKey{}, false
}

// up reports a key that is held down already: to press it would do nothing.
func (d *Display) up(chord string, strokes []stroke) error {
	for _, s := range strokes {
		if slices.Contains(d.input.held, press{xproto.KeyPress, s.code}) {
			return desktop.Errorf(desktop.CodeInvalid, "a key of %q is held down already: release it with key_up first", chord)
		}
	}
	return nil
}
