package x11

import (
	"context"
	"fmt"
	"slices"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/desktop"
)

// keymap is what the server's keys mean, and which of them are ours to give a
// meaning to.
type keymap struct {
	min     byte
	width   int             // keysyms per keycode
	syms    []xproto.Keysym // of all keycodes from min on
	group   int             // which layout is on, from 0, of those that the keyboard can be switched to
	strokes map[xproto.Keysym]stroke
	shift   byte // keycode of Shift, 0 when there is none
	level3  byte // keycode of AltGr, 0 when there is none that works
	lock    byte // keycode of Caps Lock, 0 when there is none

	scratch  []byte                   // keycodes that are ours, in ascending order
	original map[byte][]xproto.Keysym // what they meant before
	used     map[byte]uint64          // when each was last needed, by clock
	clock    uint64
	inFlight map[byte]bool // typed, and not yet known to have been seen
}

// stroke is how to get a keysym: a key, and the modifiers that choose among
// its meanings.
type stroke struct {
	code          byte
	shift, level3 bool
}

// The columns of a keysym in the server's table, for the first layout: without
// modifiers and with AltGr. With Shift it is the next one, in the second layout
// the one after that.
const (
	columnPlain  = 0
	columnLevel3 = 4
	secondLayout = 2
)

// loadKeymap reads the keymap when it, or the layout that is on, has changed
// since the last time.
func (d *Display) loadKeymap(ctx context.Context) error {
	// An announcement of a change may be on its way.
	if err := d.barrier(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	stale := d.stale
	d.stale = false
	d.mu.Unlock()
	group, err := d.layout()
	if err == nil && (stale || group != d.input.keys.group) {
		err = d.readKeymap(group)
	}
	if err != nil {
		d.mu.Lock()
		d.stale = true
		d.mu.Unlock()
		return fmt.Errorf("read the keymap: %w", err)
	}
	return nil
}

// layout returns which layout is on. XKB tells it beside the modifiers.
func (d *Display) layout() (int, error) {
	state, err := await(d, xproto.QueryPointer(d.conn, d.root))
	if err != nil {
		return 0, err
	}
	return int(state.Mask >> 13 & 3), nil
}

func (d *Display) readKeymap(group int) error {
	setup := xproto.Setup(d.conn)
	count := byte(setup.MaxKeycode - setup.MinKeycode + 1)
	mapping := xproto.GetKeyboardMapping(d.conn, setup.MinKeycode, count)
	modifying := xproto.GetModifierMapping(d.conn)
	owned := xproto.GetProperty(d.conn, false, d.root, d.atoms.scratch, xproto.AtomCardinal, 0, 64)
	keys, err := await(d, mapping)
	if err != nil {
		return err
	}
	modifiers, err := await(d, modifying)
	if err != nil {
		return err
	}
	ours, err := await(d, owned)
	if err != nil {
		return err
	}
	m := &d.input.keys
	m.min, m.width, m.syms, m.group = byte(setup.MinKeycode), int(keys.KeysymsPerKeycode), keys.Keysyms, group
	if m.scratch == nil {
		m.scratch = m.chooseScratch(modifiers.Keycodes, ours.Value)
		m.original, m.used, m.inFlight = make(map[byte][]xproto.Keysym), make(map[byte]uint64), make(map[byte]bool)
		for _, code := range m.scratch {
			if !slices.Contains(ours.Value, code) {
				m.original[code] = slices.Clone(m.row(code))
			}
		}
		xproto.ChangeProperty(d.conn, xproto.PropModeReplace, d.root, d.atoms.scratch, xproto.AtomCardinal, 8,
			uint32(len(m.scratch)), m.scratch)
	}
	m.index(modifiers)
	return nil
}

// row returns the keysyms of a keycode.
func (m *keymap) row(code byte) []xproto.Keysym {
	i := int(code-m.min) * m.width
	return m.syms[i:min(i+m.width, len(m.syms))]
}

func (m *keymap) codes() (first, last int) {
	if m.width == 0 {
		return 0, -1
	}
	return int(m.min), int(m.min) + len(m.syms)/m.width - 1
}

// index finds the easiest stroke for each keysym.
func (m *keymap) index(modifiers *xproto.GetModifierMappingReply) {
	m.strokes = make(map[xproto.Keysym]stroke, len(m.syms)/2)
	m.shift = m.modifierKey(modifiers, xproto.MapIndexShift, keysymShiftL)
	m.lock = m.modifierKey(modifiers, xproto.MapIndexLock, keysymCapsLock)
	m.level3 = 0
	for i := xproto.MapIndex1; i <= xproto.MapIndex5; i++ {
		if code := m.modifierKey(modifiers, i, keysymLevel3); code != 0 {
			m.level3 = code
		}
	}
	m.indexColumns(columnPlain)
	if m.level3 != 0 {
		m.indexColumns(columnLevel3)
	}
}

// indexColumns adds the strokes of a level, without and with Shift. The key
// with the lowest keycode wins: it is the one that people use, such as Shift
// and 9 for a parenthesis and not the key of a rare keypad.
//
// When another layout than the first is on, only keys count that mean the same
// in both: Qt has been seen to go back to the first when the keymap changes.
func (m *keymap) indexColumns(level int) {
	level3 := level == columnLevel3
	first, last := m.codes()
	for code := first; code <= last; code++ {
		row := m.row(byte(code))
		for _, shift := range []bool{false, true} {
			column := level
			if shift {
				column++
			}
			if column >= len(row) || row[column] == 0 {
				continue
			}
			if second := column + secondLayout; m.group > 0 && (second >= len(row) || row[second] != row[column]) {
				continue
			}
			// Other modifiers than these choose the second meaning of a key
			// of the keypad (Num Lock), and of Print and Pause.
			if (shift || level3) && (isKeypad(row[0]) || isFunction(row[column])) {
				continue
			}
			if _, ok := m.strokes[row[column]]; !ok && (!shift || m.shift != 0) {
				m.strokes[row[column]] = stroke{code: byte(code), shift: shift, level3: level3}
			}
		}
	}
}

// modifierKey returns a keycode of a modifier that has the keysym.
func (m *keymap) modifierKey(r *xproto.GetModifierMappingReply, modifier int, sym xproto.Keysym) byte {
	per := int(r.KeycodesPerModifier)
	for _, code := range r.Keycodes[min(modifier*per, len(r.Keycodes)):min((modifier+1)*per, len(r.Keycodes))] {
		if first, last := m.codes(); int(code) < first || int(code) > last {
			continue
		}
		if slices.Contains(m.row(byte(code)), sym) {
			return byte(code)
		}
	}
	return 0
}

// chooseScratch returns the keycodes that can be given to any character. They
// mean nothing, or a key that hardly a keyboard has and no program listens to,
// or were ours before (an agent that died left them). They lie within a stretch
// of keycodes that can all be written with one request without harm, because
// each request makes every client read the keymap again.
func (m *keymap) chooseScratch(modifiers []xproto.Keycode, ours []byte) []byte {
	var best, stretch []byte
	first, last := m.codes()
	for code := max(first, 9); code <= last; code++ { // Chromium knows no key below
		row := m.row(byte(code))
		switch {
		case slices.Contains(modifiers, xproto.Keycode(code)) || !oneLevel(row):
			stretch = nil
		case slices.Contains(ours, byte(code)) || row[0] == 0 || isSpare(row[0]):
			stretch = append(stretch, byte(code))
		}
		if len(stretch) > len(best) {
			best = slices.Clone(stretch)
		}
	}
	return best
}

// oneLevel reports whether a key means the same whatever modifier is held, so
// that the server makes the same of its row when it is written back.
func oneLevel(row []xproto.Keysym) bool {
	for _, s := range row[1:] {
		if s != 0 && s != row[0] {
			return false
		}
	}
	return len(row) < 3 || row[2] == row[0]
}

// assign makes sure that each of syms has a stroke, by giving scratch keycodes
// to those that the keymap lacks.
func (d *Display) assign(ctx context.Context, syms []xproto.Keysym) error {
	m := &d.input.keys
	free := slices.DeleteFunc(slices.Clone(m.scratch), func(code byte) bool {
		row := m.row(code)
		return row[0] != 0 && slices.Contains(syms, row[0])
	})
	// Those that have been without use for longest go first.
	slices.SortStableFunc(free, func(a, b byte) int { return int(m.used[a]) - int(m.used[b]) })
	var missing []xproto.Keysym
	for _, s := range syms {
		if _, ok := m.strokes[s]; !ok && !slices.Contains(missing, s) {
			missing = append(missing, s)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if len(missing) > len(free) {
		return desktop.Errorf(desktop.CodeNotDelivered, "the keymap has no free keycodes for %d characters: use the clipboard instead", len(missing))
	}
	taken := free[:len(missing)]
	for _, code := range taken {
		if m.inFlight[code] {
			if err := d.caughtUp(ctx); err != nil {
				return err
			}
			break
		}
	}
	for i, code := range taken {
		row := m.row(code)
		delete(m.strokes, row[0])
		clear(row)
		// Both levels, or the server takes a capital letter for a pair of
		// letters. The second pair is the other layout.
		for c := range min(4, len(row)) {
			row[c] = missing[i]
		}
		m.strokes[missing[i]] = stroke{code: code}
	}
	if err := d.writeKeymap(taken); err != nil {
		return err
	}
	return d.keymapRead(ctx)
}

// writeKeymap tells the server what the keycodes mean, in one request.
func (d *Display) writeKeymap(codes []byte) error {
	m := &d.input.keys
	first, last := slices.Min(codes), slices.Max(codes)
	syms := m.syms[int(first-m.min)*m.width : int(last-m.min+1)*m.width]
	err := xproto.ChangeKeyboardMappingChecked(d.conn, last-first+1, xproto.Keycode(first), byte(m.width), syms).Check()
	if err != nil {
		return fmt.Errorf("change the keymap: %w", err)
	}
	return nil
}

// restoreKeymap gives the scratch keycodes back.
func (d *Display) restoreKeymap() {
	m := &d.input.keys
	if len(m.scratch) == 0 {
		return
	}
	changed := false
	for _, code := range m.scratch {
		row := m.row(code)
		before := make([]xproto.Keysym, len(row))
		copy(before, m.original[code])
		changed = changed || !slices.Equal(row, before)
		copy(row, before)
	}
	if changed {
		if err := d.writeKeymap(m.scratch); err != nil {
			d.log.Warn("x11: the keymap was not given back", "error", err)
		}
	}
	xproto.DeleteProperty(d.conn, d.root, d.atoms.scratch)
}
