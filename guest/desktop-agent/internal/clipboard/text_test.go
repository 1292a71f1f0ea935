package clipboard

import (
	"testing"
	"unicode/utf8"

	"github.com/jezek/xgb/xproto"
)

func TestLatin1(t *testing.T) {
	for text, want := range map[string]bool{"": true, "a\n\t~": true, "äÿ": true, "Ā": false, "€": false, "a字": false} {
		data, ok := latin1(text)
		if ok != want || ok && string(fromLatin1(data)) != text {
			t.Errorf("%q: %q, %v", text, data, ok)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("caf\xe9"), true)
	f.Add([]byte("字"), false)
	a := &atoms{utf8: 100, plainUTF8: 101}
	f.Fuzz(func(t *testing.T, data []byte, old bool) {
		kind := a.utf8
		if old {
			kind = xproto.AtomString
		}
		text, ok := a.decode(data, kind)
		if !ok || !utf8.Valid(text) {
			t.Errorf("%q becomes %q, %v", data, text, ok)
		}
		if !old && utf8.Valid(data) && string(text) != string(data) {
			t.Errorf("%q becomes %q", data, text)
		}
	})
}
