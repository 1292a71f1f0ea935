package clipboard

import (
	"strings"
	"unicode/utf8"

	"github.com/jezek/xgb/xproto"
)

// The names of the atoms of the ICCCM that are used here, beside the predefined
// ones, and those of the two kinds of UTF-8.
const (
	nameClipboard = "CLIPBOARD"
	nameTargets   = "TARGETS"
	nameTimestamp = "TIMESTAMP"
	nameMultiple  = "MULTIPLE"
	nameAtomPair  = "ATOM_PAIR"
	nameIncr      = "INCR"
	nameText      = "TEXT"
	nameUTF8      = "UTF8_STRING"
	namePlainUTF8 = "text/plain;charset=utf-8"
	nameTransfer  = "_VMETTE_TRANSFER" // property of our windows
)

// atoms are those names on one server.
type atoms struct {
	clipboard, targets, timestamp, multiple, atomPair, incr, text, utf8, plainUTF8, transfer xproto.Atom
}

// encode returns text in the encoding of a target, and the type that the result
// has. It is false for what is no target of text, or none that can spell it.
func (a *atoms) encode(text string, target xproto.Atom) (data []byte, kind xproto.Atom, ok bool) {
	switch target {
	case a.utf8, a.plainUTF8:
		return []byte(text), target, true
	case a.text:
		// The owner chooses: what the oldest programs understand, if it will do.
		if data, ok = latin1(text); ok {
			return data, xproto.AtomString, true
		}
		return []byte(text), a.utf8, true
	case xproto.AtomString:
		data, ok = latin1(text)
		return data, xproto.AtomString, ok
	}
	return nil, 0, false
}

// decode returns the text of data of a type, and whether that is one of text. An
// owner may call UTF-8 what is not.
func (a *atoms) decode(data []byte, kind xproto.Atom) ([]byte, bool) {
	switch kind {
	case a.utf8, a.plainUTF8:
		return []byte(strings.ToValidUTF8(string(data), "\uFFFD")), true
	case xproto.AtomString:
		return fromLatin1(data), true
	}
	return nil, false
}

// preferred returns the best of the targets that an owner offers, or 0.
func (a *atoms) preferred(offered []xproto.Atom) xproto.Atom {
	for _, want := range []xproto.Atom{a.utf8, a.plainUTF8, xproto.AtomString, a.text} {
		for _, o := range offered {
			if o == want {
				return o
			}
		}
	}
	return 0
}

// latin1 spells text in ISO 8859-1, which the type STRING means.
func latin1(text string) ([]byte, bool) {
	data := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return nil, false
		}
		data = append(data, byte(r))
	}
	return data, true
}

func fromLatin1(data []byte) []byte {
	text := make([]byte, 0, len(data)+len(data)/8)
	for _, b := range data {
		text = utf8.AppendRune(text, rune(b))
	}
	return text
}
