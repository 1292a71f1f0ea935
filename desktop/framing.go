package desktop

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
)

// Limits of one frame, checked before anything is allocated for it.
const (
	MaxHeader  = 1 << 20  // bytes of JSON
	MaxPayload = 64 << 20 // bytes after the header
)

// joinLimit is the payload up to which a frame is copied into one buffer: for
// small ones a copy is cheaper than a second write.
const joinLimit = 32 << 10

// firstRead is what a reader allocates before the first byte of a part has
// arrived, whatever length the peer declared.
const firstRead = 64 << 10

// Message is one frame as it is on the wire: a request, a response or a
// greeting, still encoded.
type Message struct {
	ID      uint32 // pairs a response with its request; 0 is a greeting
	Header  []byte // JSON
	Payload []byte // as long as the payload_len of the header
}

// WriteFrame writes one frame to w: in one Write when it is small, otherwise as
// [net.Buffers], which a socket takes as one writev. The header must declare
// the length of the payload in its payload_len; [Marshal] makes it.
//
// An error means that w may hold half a frame and can only be closed.
// Concurrent calls on one w must be serialised by the caller.
func WriteFrame(w io.Writer, id uint32, header, payload []byte) error {
	if len(header) > MaxHeader {
		return fmt.Errorf("write frame: header of %d bytes is over the limit of %d", len(header), MaxHeader)
	}
	if len(payload) > MaxPayload {
		return fmt.Errorf("write frame: payload of %d bytes is over the limit of %d", len(payload), MaxPayload)
	}
	head := make([]byte, 8, 8+len(header)+min(len(payload), joinLimit))
	binary.LittleEndian.PutUint32(head[0:], id)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(header)))
	head = append(head, header...)
	if len(payload) <= joinLimit {
		_, err := w.Write(append(head, payload...))
		return err
	}
	parts := net.Buffers{head, payload}
	_, err := parts.WriteTo(w)
	return err
}

// ReadFrame reads one frame from r. It returns io.EOF when r ends before the
// frame begins, io.ErrUnexpectedEOF when it ends inside, and a *[ProtocolError]
// when the frame is over a limit. Memory is taken as bytes arrive, not as they
// are promised. After any error r can only be closed.
//
// ReadFrame believes the header's payload_len and looks at nothing else in it;
// [Unmarshal] judges the rest.
func ReadFrame(r io.Reader) (Message, error) {
	var m Message
	err := m.read(r, MaxPayload)
	return m, err
}

// read is ReadFrame into the buffers that m already has, with a limit of its
// own on the payload.
func (m *Message) read(r io.Reader, maxPayload int) error {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return err
	}
	m.ID = binary.LittleEndian.Uint32(prefix[0:])
	n := binary.LittleEndian.Uint32(prefix[4:])
	if n > MaxHeader {
		return broken(fmt.Errorf("header of %d bytes is over the limit of %d", n, MaxHeader))
	}
	var err error
	if m.Header, err = readPart(r, m.Header, int(n)); err != nil {
		return err
	}
	payload, err := payloadLen(m.Header, maxPayload)
	if err != nil {
		return err
	}
	m.Payload, err = readPart(r, m.Payload, payload)
	return err
}

// readPart reads n bytes into buf, whose old content is dropped, and makes it
// longer only as they come.
func readPart(r io.Reader, buf []byte, n int) ([]byte, error) {
	buf = buf[:0]
	for len(buf) < n {
		have := len(buf)
		step := min(n-have, max(cap(buf)-have, have, firstRead))
		buf = slices.Grow(buf, step)[:have+step]
		if _, err := io.ReadFull(r, buf[have:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return buf[:0], err
		}
	}
	return buf, nil
}

// payloadLen finds payload_len in a header. Most headers have none, and a
// search for the word is much faster than to parse them twice. A header that
// spells it in another way gets 0 here and is refused by its strict decoder.
func payloadLen(header []byte, limit int) (int, error) {
	if !bytes.Contains(header, []byte(`"payload_len"`)) {
		return 0, nil
	}
	var h struct {
		PayloadLen int `json:"payload_len"`
	}
	if err := json.Unmarshal(header, &h); err != nil {
		return 0, broken(fmt.Errorf("decode payload_len: %w", err))
	}
	switch {
	case h.PayloadLen < 0:
		return 0, broken(errors.New("payload_len is negative"))
	case h.PayloadLen > limit:
		return 0, broken(fmt.Errorf("payload of %d bytes is over the limit of %d", h.PayloadLen, limit))
	}
	return h.PayloadLen, nil
}
