package hello

import (
	"bytes"
	"errors"
	"strings"
)

// MaxSize bounds what is looked at, in bytes: a ClientHello with its records, or
// the first line of a request. The hello of a browser has about 2 KiB.
const MaxSize = 16 << 10

// Kind is what a client speaks.
type Kind int

// The kinds.
const (
	Other Kind = iota
	TLS
	HTTP // version 1, or the preface of version 2
)

// First is what a client said first.
type First struct {
	Kind Kind

	// The rest is there for TLS.

	ServerName string // as the client wrote it; "" when it names none
	ECH        bool   // it may name another one, which is encrypted
}

// ErrShort reports that more bytes are needed to tell.
var ErrShort = errors.New("the first message is not complete")

// errLong reports more bytes than any honest client sends.
var errLong = errors.New("the first message is too long")

// Parse reads the first bytes of a connection. While more of them are needed the
// error is ErrShort; any other one tells of a ClientHello that is not well-formed,
// or of more than MaxSize. What is neither TLS nor HTTP is Other.
func Parse(b []byte) (f First, err error) {
	switch {
	case len(b) == 0:
		return First{}, ErrShort
	case b[0] == recordHandshake:
		f, err = parseTLS(b)
	default:
		f, err = parseLine(b)
	}
	if errors.Is(err, ErrShort) && len(b) >= MaxSize {
		err = errLong
	}
	return f, err
}

// parseLine tells a request of HTTP by the form of its first line: a token, which
// is the method, a space and more, and the version (RFC 9112, section 3). Any token
// may be a method, and servers take other white space too. Other protocols may begin
// with a line, but not with such a one.
func parseLine(b []byte) (First, error) {
	b = bytes.TrimLeft(b, "\r\n") // servers pass over them: RFC 9112, section 2.2
	if len(b) == 0 {
		return First{}, ErrShort
	}
	line, _, whole := bytes.Cut(b, []byte("\n"))
	method := bytes.IndexFunc(line, func(r rune) bool { return !isToken(r) })
	switch {
	case method == 0, method > 0 && !bytes.ContainsAny(line[method:method+1], " \t\v\f\r"):
		return First{}, nil
	case !whole:
		return First{}, ErrShort
	case method > 0 && bytes.Contains(line[method:], []byte("HTTP/")):
		return First{Kind: HTTP}, nil
	}
	return First{}, nil
}

// isToken reports whether a character may be in a token: RFC 9110, section 5.6.2.
func isToken(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r != 0 && r < 0x80 && strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
