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

// The columns of a keysym in the server's table, for the first of its two
// layouts. XKB puts the third and fourth level after both layouts.
const (
	columnPlain       = 0
	columnShift       = 1
	columnLevel3      = 4
	columnLevel3Shift = 5
)

// loadKeymap reads the keymap when it has changed since the last time.
func (d *Display) loadKeymap(ctx context.Context) error {
	// An announcement of a change may be on its way.
	if err := d.barrier(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	stale := d.stale
	d.stale = false
	d.mu.Unlock()
	if !stale {
		return nil
	}
	if err := d.readKeymap(); err != nil {
		d.mu.Lock()
		d.stale = true
		d.mu.Unlock()
		return fmt.Errorf("read the keymap: %w", err)
	}
	return nil
}

func (d *Display) readKeymap() error {
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
	m.min, m.width, m.syms = byte(setup.MinKeycode), int(keys.KeysymsPerKeycode), keys.Keysyms
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
	m.indexColumn(columnPlain, columnShift)
	m.indexColumn(columnLevel3, columnLevel3Shift)
}

// indexColumn adds the strokes of two columns, without and with Shift. The key
// with the lowest keycode wins: it is the one that people use, such as Shift
// and 9 for a parenthesis and not the key of a rare keypad.
func (m *keymap) indexColumn(plain, shifted int) {
	level3 := plain == columnLevel3
	if level3 && m.level3 == 0 {
		return
	}
	first, last := m.codes()
	for code := first; code <= last; code++ {
		row := m.row(byte(code))
		for _, column := range []int{plain, shifted} {
			if column >= len(row) || row[column] == 0 {
				continue
			}
			// Other modifiers than these choose the second meaning of a key
			// of the keypad (Num Lock), and of Print and Pause.
			if column != columnPlain && (isKeypad(row[0]) || isFunction(row[column])) {
				continue
			}
			shift := column == shifted
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
	return d.writeKeymap(taken)
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
