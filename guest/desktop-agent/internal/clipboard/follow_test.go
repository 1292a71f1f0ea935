package clipboard

import (
	"testing"

	"github.com/jezek/xgb/xproto"

	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/x11"
)

// Programs that keep or show what was copied fetch it too. That is no paste.
func TestPasteIsWhatTheFocusedApplicationFetchesAfterTheKeys(t *testing.T) {
	s := startServer(t)
	c, err := x11.Connect(t.Context(), s.Display)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const focused, other = xproto.Window(0x400001), xproto.Window(0x600001)
	const since = 1000
	tests := []struct {
		name    string
		pressed bool
		by      xproto.Window
		time    xproto.Timestamp
		want    bool
	}{
		{"before the keys", false, focused, since, false},
		{"before the keys, without a time", false, focused, 0, false},
		{"at the news of the copy, but late", true, focused, since, false},
		{"at the time of the keys", true, focused, since + 3, true},
		{"without a time", true, focused, 0, true},
		{"by another client, at the news of the copy", true, other, since, false},
		{"by another client, without a time", true, other, 0, false},
		{"by another client of the application", true, other, since + 3, true},
	}
	for _, tt := range tests {
		p := &paste{focus: c.Client(uint32(focused)), pressed: tt.pressed}
		l := &link{c: c, owned: map[xproto.Atom]*content{xproto.AtomPrimary: {since: since, paste: p}}}
		got := p.follow(l, request{Selection: xproto.AtomPrimary, Requestor: tt.by, Time: tt.time})
		if (got == p) != tt.want {
			t.Errorf("%s: it counts: %v, want %v", tt.name, got == p, tt.want)
		}
	}
}
