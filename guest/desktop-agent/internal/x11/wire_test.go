package x11

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestDisplayNumber(t *testing.T) {
	tests := []struct{ display, want string }{
		{":0", "0"}, {":71", "71"}, {":1.0", "1"}, {":007", "7"},
		{"", ""}, {"0", ""}, {":", ""}, {":x", ""}, {":0.1", ""}, {"host:0", ""}, {":-1", ""}, {":99999", ""}, {":../../x", ""},
	}
	for _, tt := range tests {
		got, err := displayNumber(tt.display)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q is display %q, %v; want %q", tt.display, got, err, tt.want)
		}
	}
}

// authEntry encodes one entry of an Xauthority file.
func authEntry(address, display, name, data string) []byte {
	entry := []byte{1, 0} // FamilyLocal
	for _, s := range []string{address, display, name, data} {
		entry = binary.BigEndian.AppendUint16(entry, uint16(len(s)))
		entry = append(entry, s...)
	}
	return entry
}

func TestFindCookie(t *testing.T) {
	const cookie, other = "0123456789abcdef", "ABCDEFGHIJKLMNOP"
	file := bytes.Join([][]byte{
		authEntry("guest", "5", "XDM-AUTHORIZATION-1", other),
		authEntry("guest", "4", "MIT-MAGIC-COOKIE-1", other),
		authEntry("guest", "5", "MIT-MAGIC-COOKIE-1", "too short"),
		authEntry("guest", "5", "MIT-MAGIC-COOKIE-1", cookie),
		authEntry("guest", "", "MIT-MAGIC-COOKIE-1", other),
	}, nil)
	for number, want := range map[string]string{"4": other, "5": cookie, "6": other} {
		if got, err := findCookie(file, number); string(got) != want || err != nil {
			t.Errorf("display %s: cookie %q, %v; want %q", number, got, err, want)
		}
	}
	if got, err := findCookie(nil, "0"); got != nil || err != nil {
		t.Errorf("empty file: cookie %q, %v; want none", got, err)
	}
	cut := authEntry("guest", "5", "MIT-MAGIC-COOKIE-1", cookie)
	for n := 1; n < len(cut); n++ {
		if got, err := findCookie(cut[:n], "5"); err == nil {
			t.Errorf("a file that ends after %d bytes gives cookie %q and no error", n, got)
		}
	}
}

func FuzzFindCookie(f *testing.F) {
	f.Add(authEntry("guest", "0", "MIT-MAGIC-COOKIE-1", "0123456789abcdef"), "0")
	f.Add([]byte{1, 0, 0xff, 0xff}, "0")
	f.Fuzz(func(t *testing.T, file []byte, number string) {
		if cookie, err := findCookie(file, number); err == nil && cookie != nil && len(cookie) != 16 {
			t.Errorf("cookie of %d bytes", len(cookie))
		}
	})
}
