package x11

import (
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// Who only looks need not wait for a quiet time that is over.
func TestScreenHasSettledAlready(t *testing.T) {
	d, s := startDisplay(t)
	startTerminal(t, s)
	p := newPainter(t, s.Display)
	longAgo := time.Now().Add(-time.Hour)
	w := SettleOptions{Since: longAgo}.waiting()
	already := func(w waiting) bool {
		t.Helper()
		v := vigil{machine: &d.settling.machine}
		v.clients, v.known = d.clients(t.Context())
		settled, err := d.settledAlready(t.Context(), &v, w)
		if err != nil {
			t.Fatal(err)
		}
		return settled
	}
	// The terminal may still be busy with its start.
	for limit := time.Now().Add(30 * time.Second); !already(w); {
		if time.Now().After(limit) {
			t.Fatal("a terminal that nobody uses does not come to rest")
		}
		settle(t, d, SettleOptions{})
	}

	for name, w := range map[string]waiting{
		"nobody says since when":  SettleOptions{}.waiting(),
		"something was just done": SettleOptions{Since: time.Now()}.waiting(),
		"another quiet time":      SettleOptions{Quiet: time.Millisecond, Since: longAgo}.waiting(),
	} {
		if already(w) {
			t.Errorf("%s: it has settled already", name)
		}
	}
	p.fill(window, 0x112233)
	if already(w) {
		t.Error("right after something was drawn: it has settled already")
	}
	settle(t, d, SettleOptions{})
	if err := d.Click(t.Context(), desktop.Click{Button: 1, Count: 1, At: at(20, 20)}); err != nil {
		t.Fatal(err)
	}
	if already(w) {
		t.Error("right after a click: it has settled already")
	}
}
