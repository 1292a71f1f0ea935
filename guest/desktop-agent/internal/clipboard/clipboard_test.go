package clipboard

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11/x11test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClipboard(t *testing.T, display string) *Clipboard {
	t.Helper()
	c := New(display)
	t.Cleanup(c.Close)
	return c
}

func startServer(t *testing.T) *x11test.Server {
	t.Helper()
	return x11test.Start(t, desktop.Size{Width: 320, Height: 200})
}

// long is text that goes in several pieces.
var long = strings.Repeat("0123456789 äöü 字\n", 400_000/20)

func TestWhatIsSetCanBeFetched(t *testing.T) {
	s := startServer(t)
	owner, other := newClipboard(t, s.Display), newClipboard(t, s.Display)
	tests := []struct {
		name      string
		selection desktop.Selection
		text      string
	}{
		{"ASCII", desktop.Clipboard, "hello\n\tworld"},
		{"Unicode", desktop.Clipboard, "שלום 字 👩‍👩‍👧"},
		{"primary", desktop.Primary, "ünicode"},
		{"the zero value is the clipboard", "", "none"},
		{"one piece", desktop.Clipboard, strings.Repeat("x", chunk)},
		{"several pieces", desktop.Clipboard, long},
		{"a whole number of pieces", desktop.Primary, strings.Repeat("x", 3*chunk)},
	}
	for _, tt := range tests {
		if err := owner.Set(t.Context(), tt.selection, tt.text); err != nil {
			t.Errorf("%s: set: %v", tt.name, err)
		}
		for who, c := range map[string]*Clipboard{"the owner": owner, "another client": other} {
			got, err := c.Get(t.Context(), tt.selection)
			if err != nil || string(got) != tt.text {
				t.Errorf("%s: %s gets %d bytes, %v, want %d", tt.name, who, len(got), err, len(tt.text))
			}
		}
	}
}

func TestSelectionsAreApart(t *testing.T) {
	s := startServer(t)
	a, b := newClipboard(t, s.Display), newClipboard(t, s.Display)
	get := func(what desktop.Selection) string {
		text, err := b.Get(t.Context(), what)
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	if got := get(desktop.Clipboard) + get(desktop.Primary); got != "" {
		t.Errorf("a fresh display holds %q", got)
	}
	if err := errors.Join(a.Set(t.Context(), desktop.Clipboard, "c"), a.Set(t.Context(), desktop.Primary, "p")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"c", "p"}, []string{get(desktop.Clipboard), get(desktop.Primary)}); diff != "" {
		t.Error(diff)
	}
	// Whoever copies last has it.
	if err := b.Set(t.Context(), desktop.Clipboard, "mine"); err != nil {
		t.Fatal(err)
	}
	if text, err := a.Get(t.Context(), desktop.Clipboard); err != nil || string(text) != "mine" {
		t.Errorf("the earlier owner gets %q, %v", text, err)
	}
	// An empty text clears it, also what another client owns.
	if err := a.Set(t.Context(), desktop.Clipboard, ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"", "p"}, []string{get(desktop.Clipboard), get(desktop.Primary)}); diff != "" {
		t.Error(diff)
	}
	a.Close()
	if got := get(desktop.Primary); got != "" {
		t.Errorf("the content of a client that has gone is %q", got)
	}
	if err := a.Set(t.Context(), desktop.Clipboard, "x"); err == nil {
		t.Error("a closed Clipboard can be set")
	}
}

func TestServerThatComesBack(t *testing.T) {
	s := startServer(t)
	c := newClipboard(t, s.Display)
	if err := c.Set(t.Context(), desktop.Clipboard, "x"); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	<-c.link.c.Done()
	_, err := c.Get(t.Context(), desktop.Clipboard)
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeUnavailable {
		t.Errorf("without a server: %v", err)
	}
	c.display = startServer(t).Display
	if text, err := c.Get(t.Context(), desktop.Clipboard); err != nil || len(text) > 0 {
		t.Errorf("of a fresh server: %q, %v", text, err)
	}
}
