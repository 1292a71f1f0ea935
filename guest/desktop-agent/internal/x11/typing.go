package x11

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// Text is typed in steps. Between two of them it is seen whether the server has
// caught up and the action is still wanted.
const (
	firstStep = 64                    // characters
	longStep  = 512                   // at most
	stepTime  = 20 * time.Millisecond // of a step that is not to be any longer
)

// Type enters text into the window that has the keyboard focus: characters as
// keys, newlines as Return and tabs as Tab. Control characters that no key
// stands for are refused before anything is typed. Caps Lock, Num Lock and the
// keyboard's layout do not matter. Keys that [Display.KeyDown] holds are let go
// meanwhile: text is text.
//
// What the application makes of the keys is its own business, and cannot be
// known here: an input method may compose them, a field may take digits only.
// The text ends when it hangs and when another one gets the focus. Of a program
// that answers no pings, such as a terminal, it is not known that it hangs.
//
// Chromium enters characters beyond U+FFFF as they should be, but has no name
// for their keys: the key of their KeyboardEvents is "Process".
func (d *Display) Type(ctx context.Context, a desktop.Type) error {
	syms, err := textKeysyms(a.Text)
	if err != nil {
		return err
	}
	return d.act(ctx, false, func() error {
		if err := d.loadKeymap(ctx); err != nil {
			return err
		}
		if err := d.checkFocus(); err != nil {
			return err
		}
		unlock, err := d.suspendCapsLock()
		if err != nil {
			return err
		}
		defer unlock()
		repeat, err := d.suspendRepeat()
		if err != nil {
			return err
		}
		defer repeat()
		defer d.letGo()()
		done, begun, err := d.typeAll(ctx, syms)
		return interrupted(ctx, err, done, begun, len(syms))
	})
}

// textKeysyms returns the keysyms of a text.
func textKeysyms(text string) ([]xproto.Keysym, error) {
	syms := make([]xproto.Keysym, 0, utf8.RuneCountInString(text))
	var before rune
	for _, r := range text {
		if r == '\n' && before == '\r' {
			before = r
			continue // the Return of \r\n has been typed
		}
		before = r
		sym, ok := keysymOf(r)
		if !ok {
			return nil, desktop.Errorf(desktop.CodeInvalid, "character %d of the text is %U, which no key stands for: leave it out, or send a chord such as ctrl+c with key; nothing was typed", len(syms)+1, r)
		}
		syms = append(syms, sym)
	}
	return syms, nil
}

// typeAll types syms. It returns how many of them the server has processed, and
// how many it may have.
func (d *Display) typeAll(ctx context.Context, syms []xproto.Keysym) (done, begun int, err error) {
	pace, err := d.newPace()
	if err != nil {
		return 0, 0, err
	}
	defer pace.stop()
	length := firstStep
	for done < len(syms) {
		batch := syms[done:]
		batch = batch[:d.input.keys.fit(batch)]
		if len(batch) == 0 {
			return done, done, desktop.Errorf(desktop.CodeNotDelivered, "the keymap has no free keycode for character %d: use the clipboard for it", done+1)
		}
		if err := d.assign(ctx, batch); err != nil {
			return done, done, err
		}
		for len(batch) > 0 {
			step := batch[:min(length, len(batch))]
			start := time.Now()
			if err := d.tap(ctx, step); err != nil {
				return done, done + len(step), err
			}
			if err := d.barrier(ctx); err != nil {
				return done, done + len(step), err
			}
			if time.Since(start) < stepTime/2 {
				length = min(2*length, longStep)
			} else {
				length = max(length/2, firstStep)
			}
			before := done
			done += len(step)
			batch = batch[len(step):]
			if done == len(syms) {
				break
			}
			if err := pace.typed(ctx, before, done); err != nil {
				return done, done, err
			}
		}
	}
	return done, done, pace.ended(ctx, done)
}

// tap presses and releases the keys of syms, which all have a stroke. Shift
// stays pressed for as long as it is wanted. It was up before, or it is none of
// this action's business.
func (d *Display) tap(ctx context.Context, syms []xproto.Keysym) error {
	m := &d.input.keys
	before := len(d.input.held)
	shift, level3 := press{xproto.KeyPress, m.shift}, press{xproto.KeyPress, m.level3}
	d.wire.cork(d.xtest)
	defer d.wire.uncork()
	defer func() { d.releaseTo(before) }()
	var now stroke // the last one
	for _, s := range syms {
		want := m.strokes[s]
		// Not when Shift is pressed or released in between: then it cannot look
		// like the repetition of a key that is held.
		if want == now {
			if err := d.apart(ctx); err != nil {
				return err
			}
		}
		if now.shift != want.shift || now.level3 != want.level3 {
			d.releaseTo(before)
			if want.shift {
				d.press(shift)
			}
			if want.level3 {
				d.press(level3)
			}
		}
		now = want
		key := press{xproto.KeyPress, want.code}
		d.press(key)
		d.release(key)
		m.touch(want.code)
	}
	return nil
}

// isFocused reports whether a window would get what is typed.
func (d *Display) isFocused() (bool, error) {
	focused, err := d.focusedWindow()
	if err != nil || focused == xproto.InputFocusNone {
		return false, err
	}
	// A window manager takes the focus itself when no window has it, and when it
	// shows a menu, for which it takes the whole keyboard as well.
	who, ok := d.managerName()
	return !ok || focused != who || d.keyboardTaken(), nil
}

// checkFocus refuses to type when no window would get it.
func (d *Display) checkFocus() error {
	focused, err := d.isFocused()
	if err != nil {
		return err
	}
	if !focused {
		return desktop.Errorf(desktop.CodeNotDelivered, "no window has the keyboard focus, nothing was typed: click into the one that is meant first")
	}
	return nil
}

// keyboardTaken reports whether a client has grabbed the keyboard.
func (d *Display) keyboardTaken() bool {
	grab, err := await(d, xproto.GrabKeyboard(d.conn, false, d.root, xproto.TimeCurrentTime, xproto.GrabModeAsync, xproto.GrabModeAsync))
	if err != nil || grab.Status != xproto.GrabStatusSuccess {
		return true
	}
	xproto.UngrabKeyboard(d.conn, xproto.TimeCurrentTime)
	return false
}

// suspendCapsLock turns Caps Lock off if it is on and returns what turns it on
// again.
func (d *Display) suspendCapsLock() (restore func(), err error) {
	state, err := await(d, xproto.QueryPointer(d.conn, d.root))
	if err != nil {
		return nil, err
	}
	key := press{xproto.KeyPress, d.input.keys.lock}
	if state.Mask&xproto.ModMaskLock == 0 || key.detail == 0 {
		return func() {}, nil
	}
	toggle := func() {
		d.press(key)
		d.release(key)
	}
	toggle()
	return toggle, nil
}

// letGo releases the keys that are held and returns what presses them again.
func (d *Display) letGo() (restore func()) {
	held := slices.Clone(d.input.held)
	for _, p := range slices.Backward(held) {
		if p.kind == xproto.KeyPress {
			d.release(p)
		}
	}
	return func() {
		for _, p := range held {
			d.press(p) // which is nothing for a button: that is held still
		}
	}
}

// interrupted adds to an error how much of a text was typed.
func interrupted(ctx context.Context, err error, done, begun, all int) error {
	if silence := map[error]time.Duration{errHung: readingTime, errBehind: hungTime}[err]; silence > 0 {
		return desktop.Errorf(desktop.CodeNotDelivered, "the application has not answered for %v, so the text ends after %d of %d characters; how many of these it takes is not known: take a screenshot and look", silence, done, all)
	}
	if err == nil || errors.As(err, new(*desktop.Error)) {
		return err
	}
	if ctx.Err() != nil {
		return desktop.Errorf(desktop.CodeCancelled, "stopped on request after %d to %d of %d characters", done, begun, all)
	}
	return err
}

// fit returns how many of syms can be typed with one keymap.
func (m *keymap) fit(syms []xproto.Keysym) int {
	taken := make(map[xproto.Keysym]bool)
	for i, s := range syms {
		stroke, ok := m.strokes[s]
		if (ok && !m.isScratch(stroke.code)) || taken[s] {
			continue
		}
		if len(taken) == len(m.scratch) {
			return i
		}
		taken[s] = true
	}
	return len(syms)
}
