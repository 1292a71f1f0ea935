package hello

import (
	"encoding/binary"
	"errors"
)

// What is read of TLS: RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3; RFC
// 9849 for the encrypted ClientHello.
const (
	recordHandshake = 22
	recordHeader    = 5
	maxRecord       = 1 << 14

	clientHello     = 1
	handshakeHeader = 4

	extServerName = 0
	nameTypeHost  = 0

	// The encrypted ClientHello, with the numbers of its drafts, and the encrypted
	// server name that came before it.
	extFirstECH = 0xfe08
	extLastECH  = 0xfe0d
	extESNI     = 0xffce
)

var (
	errRecord = errors.New("the TLS record is not one of a handshake")
	errHello  = errors.New("the TLS ClientHello is not well-formed")
	errTwice  = errors.New("the TLS ClientHello has an extension twice")
)

// parseTLS reads a ClientHello, which may lie in several records.
func parseTLS(b []byte) (First, error) {
	var message []byte
	for {
		if len(b) < recordHeader {
			return First{}, ErrShort
		}
		n := int(binary.BigEndian.Uint16(b[3:]))
		if b[0] != recordHandshake || b[1] != 3 || n == 0 || n > maxRecord {
			return First{}, errRecord
		}
		body := b[recordHeader:]
		whole := len(body) >= n
		if whole {
			body, b = body[:n], body[n:]
		}
		message = append(message, body...)
		if len(message) > 0 && message[0] != clientHello {
			return First{}, errHello
		}
		if len(message) >= handshakeHeader {
			size := int(message[1])<<16 | int(message[2])<<8 | int(message[3])
			if size > MaxSize {
				return First{}, errLong
			}
			if len(message) >= handshakeHeader+size {
				return parseClientHello(message[handshakeHeader : handshakeHeader+size])
			}
		}
		if !whole {
			return First{}, ErrShort
		}
	}
}

// parseClientHello reads the body of the message.
func parseClientHello(b []byte) (First, error) {
	r := reader{b: b}
	r.skip(2 + 32)         // legacy_version, random
	r.vector(1)            // legacy_session_id
	suites := r.vector(2)  // cipher_suites
	methods := r.vector(1) // legacy_compression_methods
	f := First{Kind: TLS}
	if r.bad() || len(suites) == 0 || len(methods) == 0 {
		return First{}, errHello
	}
	if len(r.b) == 0 {
		return f, nil // no extensions, as before TLS 1.2
	}
	extensions := reader{b: r.vector(2)}
	if r.bad() || len(r.b) > 0 {
		return First{}, errHello
	}
	var named bool
	for len(extensions.b) > 0 {
		kind := extensions.uint16()
		body := extensions.vector(2)
		if extensions.bad() {
			return First{}, errHello
		}
		switch {
		case kind == extServerName:
			if named {
				return First{}, errTwice // of two names, servers may take either
			}
			named = true
			name, err := parseServerName(body)
			if err != nil {
				return First{}, err
			}
			f.ServerName = name
		case kind >= extFirstECH && kind <= extLastECH, kind == extESNI:
			f.ECH = true
		}
	}
	return f, nil
}

// parseServerName reads the one name of the extension: there is no other type of
// name, and there must not be two of one type.
func parseServerName(b []byte) (string, error) {
	r := reader{b: b}
	list := reader{b: r.vector(2)}
	if r.bad() || len(r.b) > 0 {
		return "", errHello
	}
	kind := list.uint8()
	name := list.vector(2)
	if list.bad() || len(list.b) > 0 || kind != nameTypeHost || len(name) == 0 || len(name) > 255 {
		return "", errHello
	}
	return string(name), nil
}

// reader takes big-endian values off bytes. Once there are too few of them it is
// bad for good.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) bad() bool { return r.short }

func (r *reader) take(n int) []byte {
	if r.short || len(r.b) < n {
		r.b, r.short = nil, true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) skip(n int) { r.take(n) }

func (r *reader) uint8() int {
	if v := r.take(1); len(v) == 1 {
		return int(v[0])
	}
	return 0
}

func (r *reader) uint16() int {
	if v := r.take(2); len(v) == 2 {
		return int(binary.BigEndian.Uint16(v))
	}
	return 0
}

// vector takes a vector whose length has the given number of bytes.
func (r *reader) vector(size int) []byte {
	n := r.uint8()
	if size == 2 {
		n = n<<8 | r.uint8()
	}
	return r.take(n)
}
