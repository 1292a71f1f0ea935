// Package x509hash computes the hash by which OpenSSL finds the certificate of an
// authority in a directory: that of its name, which is the name of the file.
package x509hash

import (
	"bytes"
	"crypto/sha1"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf16"
)

// attribute is a part of a name. The name of the type below tells encoding/asn1 that
// it is a set.
type (
	attribute struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	attributeSET []attribute
)

// Tags that encoding/asn1 has no names for.
const (
	tagVisible   = 26
	tagUniversal = 28
)

// Name returns the hash of a name in DER, as X509_NAME_hash(3) does: of its canonical
// form, in which texts are UTF-8 in small letters without spaces too many (see
// x509_name_canon in OpenSSL's crypto/x509/x_name.c).
func Name(der []byte) (uint32, error) {
	var name []attributeSET
	if rest, err := asn1.Unmarshal(der, &name); err != nil {
		return 0, fmt.Errorf("hash name: %w", err)
	} else if len(rest) > 0 {
		return 0, fmt.Errorf("hash name: %d bytes are left over", len(rest))
	}
	h := sha1.New()
	for _, set := range name {
		for i, a := range set {
			if a.Value.Class != asn1.ClassUniversal {
				continue
			}
			if text, ok := decode(a.Value); ok {
				set[i].Value = asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: canonical(text)}
			}
		}
		encoded, err := asn1.Marshal(set)
		if err != nil {
			return 0, fmt.Errorf("hash name: %w", err)
		}
		h.Write(encoded)
	}
	return binary.LittleEndian.Uint32(h.Sum(nil)), nil
}

// decode returns a text in UTF-8, if the value is one.
func decode(v asn1.RawValue) (text []byte, ok bool) {
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, tagVisible:
		return v.Bytes, true
	case asn1.TagT61String: // taken for Latin-1
		for _, c := range v.Bytes {
			text = append(text, string(rune(c))...)
		}
		return text, true
	case asn1.TagBMPString:
		var units []uint16
		for pair := range slices.Chunk(v.Bytes, 2) {
			if len(pair) < 2 {
				return nil, false
			}
			units = append(units, binary.BigEndian.Uint16(pair))
		}
		return []byte(string(utf16.Decode(units))), true
	case tagUniversal:
		for four := range slices.Chunk(v.Bytes, 4) {
			if len(four) < 4 {
				return nil, false
			}
			text = append(text, string(rune(binary.BigEndian.Uint32(four)))...)
		}
		return text, true
	}
	return nil, false
}

// canonical returns a text without space at its ends, with single ones in it, and with
// the letters of ASCII in lower case. Others are left as they are.
func canonical(text []byte) []byte {
	isSpace := func(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' }
	words := bytes.FieldsFunc(text, isSpace)
	out := bytes.Join(words, []byte(" "))
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}
