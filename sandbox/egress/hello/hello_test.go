package hello

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"testing"
)

// capture returns what crypto/tls sends first.
func capture(t testing.TB, cfg *tls.Config) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() {
		tls.Client(theirs, cfg).Handshake()
		theirs.Close()
	}()
	buf := make([]byte, MaxSize)
	var all []byte
	for {
		n, err := ours.Read(buf)
		all = append(all, buf[:n]...)
		if _, perr := Parse(all); !errors.Is(perr, ErrShort) || err != nil {
			return all
		}
	}
}

// inRecords cuts the handshake message of one record into records of n bytes.
func inRecords(b []byte, n int) (out []byte) {
	for body := b[recordHeader:]; len(body) > 0; {
		m := min(n, len(body))
		out = append(out, recordHandshake, 3, 1, byte(m>>8), byte(m))
		out = append(out, body[:m]...)
		body = body[m:]
	}
	return out
}

func TestClientHello(t *testing.T) {
	named := capture(t, &tls.Config{ServerName: "www.example.com"})
	for _, tt := range []struct {
		name string
		b    []byte
		want First
	}{
		{"with a name", named, First{Kind: TLS, ServerName: "www.example.com"}},
		{"with more after it", append(bytes.Clone(named), 23, 3, 3), First{Kind: TLS, ServerName: "www.example.com"}},
		{"in records of 100 bytes", inRecords(named, 100), First{Kind: TLS, ServerName: "www.example.com"}},
		{"in records of 1 byte", inRecords(named, 1), First{Kind: TLS, ServerName: "www.example.com"}},
		{"of TLS 1.2", capture(t, &tls.Config{ServerName: "a.example", MaxVersion: tls.VersionTLS12}), First{Kind: TLS, ServerName: "a.example"}},
		{"without a name", capture(t, &tls.Config{InsecureSkipVerify: true}), First{Kind: TLS}},
		{"encrypted", withExtension(named, extLastECH, []byte{0, 0, 1, 0, 1, 7, 0, 0, 0, 0}), First{Kind: TLS, ServerName: "www.example.com", ECH: true}},
		{"encrypted, as in draft 8", withExtension(named, 0xfe08, []byte{0}), First{Kind: TLS, ServerName: "www.example.com", ECH: true}},
		{"encrypted, as in draft 10", withExtension(named, 0xfe0a, []byte{0}), First{Kind: TLS, ServerName: "www.example.com", ECH: true}},
		{"with an encrypted name", withExtension(named, 0xffce, []byte{0}), First{Kind: TLS, ServerName: "www.example.com", ECH: true}},
		{"with another extension", withExtension(named, 0xfe07, []byte{0}), First{Kind: TLS, ServerName: "www.example.com"}},
	} {
		got, err := Parse(tt.b)
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
	for i := range named {
		if _, err := Parse(named[:i]); !errors.Is(err, ErrShort) {
			t.Fatalf("%d of %d bytes: %v, want ErrShort", i, len(named), err)
		}
	}
}

// withExtension returns a ClientHello in one record with one extension more.
func withExtension(b []byte, kind int, body []byte) []byte {
	ext := append([]byte{byte(kind >> 8), byte(kind), byte(len(body) >> 8), byte(len(body))}, body...)
	out := append(bytes.Clone(b), ext...)
	grow := func(at, size int) {
		n := len(ext)
		for i := size - 1; i >= 0; i-- {
			n += int(out[at+i])
			out[at+i] = byte(n)
			n >>= 8
		}
	}
	at := recordHeader + handshakeHeader + 34
	at += 1 + int(out[at])
	at += 2 + (int(out[at])<<8 | int(out[at+1]))
	at += 1 + int(out[at])
	grow(at, 2)
	grow(recordHeader+1, 3)
	grow(3, 2)
	return out
}

func TestNoClientHello(t *testing.T) {
	named := capture(t, &tls.Config{ServerName: "a.example"})
	edit := func(f func(b []byte)) []byte {
		b := bytes.Clone(named)
		f(b)
		return b
	}
	for name, b := range map[string][]byte{
		"two names":             withExtension(named, extServerName, []byte{0, 4, 0, 0, 1, 'b'}),
		"a name of other type":  withExtension(capture(t, &tls.Config{InsecureSkipVerify: true}), extServerName, []byte{0, 4, 1, 0, 1, 'b'}),
		"an empty name":         withExtension(capture(t, &tls.Config{InsecureSkipVerify: true}), extServerName, []byte{0, 3, 0, 0, 0}),
		"two names in one":      withExtension(capture(t, &tls.Config{InsecureSkipVerify: true}), extServerName, []byte{0, 8, 0, 0, 1, 'b', 0, 0, 1, 'c'}),
		"another message":       edit(func(b []byte) { b[5] = 2 }),
		"a length beyond all":   edit(func(b []byte) { b[6] = 1 }),
		"another version":       edit(func(b []byte) { b[1] = 2 }),
		"an empty record":       {recordHandshake, 3, 1, 0, 0},
		"a record too long":     {recordHandshake, 3, 1, 0x40, 1},
		"an extension too long": edit(func(b []byte) { b[len(b)-1], b[len(b)-2] = 0xff, 0xff; b[8]-- }),
		"another record within": append(append(bytes.Clone(named[:3]), 0, 4, 1, 0, 1, 0), 23, 3, 3, 0, 1, 0),
		"no end":                append(append(bytes.Clone(named[:3]), 0x3f, 0xff), append([]byte{1, 0, 0x40, 0}, make([]byte, MaxSize)...)...),
	} {
		if got, err := Parse(b); err == nil || errors.Is(err, ErrShort) {
			t.Errorf("%s: %+v, %v; want an error", name, got, err)
		}
	}
}

func TestFirstLine(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Kind
		err  error
	}{
		{"GET / HTTP/1.1\r\n", HTTP, nil},
		{"\r\n\r\nPOST /x HTTP/1.0\n", HTTP, nil},
		{"CONNECT a.example:443 HTTP/1.1\r\nHost: b\r\n", HTTP, nil},
		{"PRI * HTTP/2.0\r\n", HTTP, nil},
		{"GET", Other, ErrShort},
		{"GET /", Other, ErrShort},
		{"\r\n", Other, ErrShort},
		{"GET key\r\n", Other, nil},
		{"get key\r\n", Other, nil},
		{"get /x HTTP/1.1\r\n", HTTP, nil},
		{"MKCOL /x HTTP/1.1\r\n", HTTP, nil},
		{"GET\t/x HTTP/1.1\r\n", HTTP, nil},
		{"MKCOL /x HTTP/1.1", Other, ErrShort},
		{"word", Other, ErrShort},
		{"word\n", Other, nil},
		{" GET / HTTP/1.1\r\n", Other, nil},
		{"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Other, nil},
		{"EHLO a.example\r\n", Other, nil},
		{"\x00\x01", Other, nil},
		{"GET " + string(bytes.Repeat([]byte("a"), MaxSize)), Other, errLong},
	} {
		got, err := Parse([]byte(tt.in))
		if got.Kind != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%.30q: %+v, %v; want %v, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

// FuzzParse holds that more bytes never change what was told of fewer.
func FuzzParse(f *testing.F) {
	hello := capture(f, &tls.Config{ServerName: "www.example.com"})
	f.Add(hello)
	f.Add(inRecords(hello, 40))
	f.Add(withExtension(hello, extLastECH, []byte{1}))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Add([]byte("SSH-2.0-x y\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, werr := Parse(b)
		for _, n := range []int{1, 5, 6, len(b) / 2, len(b) - 1} {
			if n <= 0 || n > len(b) {
				continue
			}
			part, err := Parse(b[:n])
			if errors.Is(err, ErrShort) {
				continue
			}
			if part != whole || (err == nil) != (werr == nil) {
				t.Fatalf("%d of %d bytes: %+v, %v; all: %+v, %v", n, len(b), part, err, whole, werr)
			}
		}
		if len(whole.ServerName) > 255 || whole.Kind != TLS && whole != (First{Kind: whole.Kind}) {
			t.Fatalf("%+v", whole)
		}
	})
}
