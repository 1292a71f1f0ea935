package desktop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestFrameBytes(t *testing.T) {
	var buf bytes.Buffer
	if err := WriteFrame(&buf, 0x01020304, []byte(`{"payload_len":2}`), []byte("ab")); err != nil {
		t.Fatal(err)
	}
	want := "\x04\x03\x02\x01" + "\x11\x00\x00\x00" + `{"payload_len":2}` + "ab"
	if got := buf.String(); got != want {
		t.Errorf("frame is %q, want %q", got, want)
	}
}

func TestFrameRoundTrip(t *testing.T) {
	for _, payload := range []int{0, 1, joinLimit, joinLimit + 1, firstRead, 3*firstRead + 1} {
		for _, header := range []int{0, 1, firstRead, MaxHeader - 40} {
			want := Message{
				ID:      7,
				Header:  fmt.Appendf(nil, `{"payload_len":%d,"x":"%s"}`, payload, strings.Repeat("h", header)),
				Payload: bytes.Repeat([]byte("p"), payload),
			}
			var buf bytes.Buffer
			if err := WriteFrame(&buf, want.ID, want.Header, want.Payload); err != nil {
				t.Fatal(err)
			}
			buf.WriteString("next")
			got, err := ReadFrame(iotest.HalfReader(&buf))
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != want.ID || !bytes.Equal(got.Header, want.Header) || !bytes.Equal(got.Payload, want.Payload) {
				t.Errorf("payload of %d, header of %d: another frame came back", payload, header)
			}
			if buf.String() != "next" {
				t.Errorf("payload of %d, header of %d: the reader left %d bytes of what follows", payload, header, buf.Len())
			}
		}
	}
}

// A small frame is one write, so that it is one packet.
func TestWriteFrameWritesOnce(t *testing.T) {
	var w countingWriter
	if err := WriteFrame(&w, 1, []byte(`{}`), make([]byte, joinLimit)); err != nil || w != 1 {
		t.Errorf("%d writes, error %v", w, err)
	}
}

type countingWriter int

func (w *countingWriter) Write(p []byte) (int, error) {
	*w++
	return len(p), nil
}

func TestWriteFrameRefuses(t *testing.T) {
	for name, tt := range map[string][2]int{"header": {MaxHeader + 1, 0}, "payload": {2, MaxPayload + 1}} {
		if err := WriteFrame(io.Discard, 1, make([]byte, tt[0]), make([]byte, tt[1])); err == nil {
			t.Errorf("a frame with too large a %s was written", name)
		}
	}
}

func TestReadFrameErrors(t *testing.T) {
	full := raw(1, `{"payload_len":3}`, 1, 2, 3)
	for n := range full {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := ReadFrame(bytes.NewReader(full[:n])); err != want {
			t.Errorf("%d of %d bytes: error %v, want %v", n, len(full), err, want)
		}
	}
	broken := errors.New("cable")
	if _, err := ReadFrame(io.MultiReader(bytes.NewReader(full[:9]), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the reader", err)
	}
}

func TestReadFrameReusesItsBuffers(t *testing.T) {
	var m Message
	long := raw(1, `{"payload_len":5,"x":"long"}`, 1, 2, 3, 4, 5)
	short := raw(2, `{"payload_len":1}`, 9)
	r := bytes.NewReader(append(long, short...))
	for range 2 {
		if err := m.read(r, MaxPayload); err != nil {
			t.Fatal(err)
		}
	}
	want := Message{ID: 2, Header: []byte(`{"payload_len":1}`), Payload: []byte{9}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("second frame: (-want +got)\n%s", diff)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(raw(1, `{"payload_len":3}`, 1, 2, 3))
	f.Add(raw(0, `{}`))
	f.Add([]byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Add(raw(1, `{"payload_len":67108864}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		var buf bytes.Buffer
		if err := WriteFrame(&buf, m.ID, m.Header, m.Payload); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, buf.Bytes()) {
			t.Error("what was read is not what was there")
		}
	})
}
