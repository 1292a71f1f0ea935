package x11

import (
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/desktop"
)

// A window manager that hangs is not waited for again and again, and is asked
// again when it has come back.
func TestManagerThatHangs(t *testing.T) {
	d, s := startDisplay(t)
	s.StartManager(t)
	press := func() time.Duration {
		t.Helper()
		start := time.Now()
		if err := d.Key(t.Context(), desktop.Key{Keys: "Control_L"}); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	press() // the keymap is known now
	resume := s.StopManager(t)
	if took := press(); took < managerTime {
		t.Errorf("a key took %v while the window manager hung, want at least %v", took, managerTime)
	}
	if took := press(); took >= managerTime {
		t.Errorf("another key took %v, want less than %v", took, managerTime)
	}
	resume()
	if err := d.AwaitManager(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.StopManager(t)
	if took := press(); took < managerTime {
		t.Errorf("a key took %v when it hung again, want at least %v", took, managerTime)
	}
}
