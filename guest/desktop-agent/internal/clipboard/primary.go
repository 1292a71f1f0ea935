package clipboard

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// takesPrimary reports whether a paste into the window with the focus takes the
// primary selection too. See the package comment.
func (l *link) takesPrimary(f focus) (bool, error) {
	owner, err := x11.Reply(l.c, xproto.GetSelectionOwner(l.c.Conn, xproto.AtomPrimary))
	if err != nil {
		return false, fmt.Errorf("ask for the owner of the primary selection: %w", err)
	}
	if f.client == 0 || owner.Owner == xproto.WindowNone || l.c.Client(uint32(owner.Owner)) != f.client {
		return true, nil
	}
	return isTerminal(l.class(f.window)), nil
}

// class returns the class of the application that a window is part of, from the
// window itself or one around it, or "".
func (l *link) class(w xproto.Window) string {
	for depth := 0; depth < 16 && w != l.c.Root && w != xproto.WindowNone; depth++ {
		p, err := x11.Reply(l.c, xproto.GetProperty(l.c.Conn, false, w, xproto.AtomWmClass, xproto.AtomString, 0, 64))
		if err == nil && len(p.Value) > 0 {
			// The instance, a NUL, the class, a NUL (ICCCM, section 4.1.2.5).
			_, class, _ := bytes.Cut(p.Value, []byte{0})
			return string(bytes.TrimRight(class, "\x00"))
		}
		tree, err := x11.Reply(l.c, xproto.QueryTree(l.c.Conn, w))
		if err != nil {
			return "" // the window is gone
		}
		w = tree.Parent
	}
	return ""
}

// isTerminal reports whether a class is a terminal's, for which Shift+Insert
// means the primary selection.
func isTerminal(class string) bool {
	class = strings.ToLower(class)
	if strings.Contains(class, "term") || strings.HasPrefix(class, "st-") {
		return true
	}
	switch class {
	case "urxvt", "rxvt", "aterm", "alacritty", "kitty", "tilix", "guake", "tilda", "sakura", "terminology", "st":
		return true
	}
	return false
}
