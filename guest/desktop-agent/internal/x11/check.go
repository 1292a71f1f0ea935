package x11

import "github.com/vmette/vmette-mcp/desktop"

// Check reports what is wrong with an action on this screen that can be known
// before it is begun: a point that is off the screen, a key that does not
// exist, a character that no key stands for. It does nothing to the screen.
func (d *Display) Check(a desktop.Action) error {
	switch a := a.(type) {
	case desktop.Move:
		return d.onScreen(a.To)
	case desktop.Click:
		return d.checkPointing(a.At, a.Modifiers)
	case desktop.Scroll:
		return d.checkPointing(a.At, a.Modifiers)
	case desktop.Drag:
		for _, p := range a.Path {
			if err := d.onScreen(p); err != nil {
				return err
			}
		}
		return d.checkPointing(nil, a.Modifiers)
	case desktop.Key:
		_, err := parseChord(a.Keys)
		return err
	case desktop.KeyDown:
		_, err := parseChord(a.Keys)
		return err
	case desktop.KeyUp:
		_, err := parseChord(a.Keys)
		return err
	case desktop.HoldKey:
		_, err := parseChord(a.Keys)
		return err
	case desktop.Type:
		_, err := textKeysyms(a.Text)
		return err
	}
	return nil
}

func (d *Display) checkPointing(at *desktop.Point, modifiers []string) error {
	if at != nil {
		if err := d.onScreen(*at); err != nil {
			return err
		}
	}
	_, err := modifierSyms(modifiers)
	return err
}
