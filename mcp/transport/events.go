package transport

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	keepAlive = 15 * time.Second // between signs of life on a stream that is quiet
	retryMS   = 1000             // after which a client is to come back
)

// eventWriter writes server-sent events (HTML standard, section 9.2) to a
// client.
type eventWriter struct {
	w     io.Writer
	conn  *http.ResponseController
	names bool // events have ids by which a client can come back
}

func newEventWriter(w http.ResponseWriter, names bool) *eventWriter {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // for reverse proxies that collect what they pass on
	return &eventWriter{w: w, conn: http.NewResponseController(w), names: names}
}

// write writes text and sends it off.
func (e *eventWriter) write(text []byte) error {
	if _, err := e.w.Write(text); err != nil {
		return err
	}
	return e.conn.Flush()
}

// follow writes the events of a stream from number n on until it is closed, a
// write fails, or ctx is done.
func (e *eventWriter) follow(ctx context.Context, s *stream, n int) error {
	quiet := time.NewTicker(keepAlive)
	defer quiet.Stop()
	for {
		m, at, ok, closed, changed := s.after(n)
		if ok {
			if err := e.write(e.event(s.id, at, m.Data)); err != nil {
				return err
			}
			s.sent(at)
			n = at + 1
		}
		switch {
		case closed:
			return nil
		case ok:
			continue
		}
		select {
		case <-changed:
		case <-quiet.C:
			if err := e.write([]byte(": still here\n\n")); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// event encodes an event. Its data is one line of JSON.
func (e *eventWriter) event(stream string, n int, data []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(data) + 64)
	if e.names {
		fmt.Fprintf(&b, "id: %s\n", eventID(stream, n))
	}
	b.WriteString("event: message\ndata: ")
	b.Write(data)
	b.WriteString("\n\n")
	return b.Bytes()
}

// prime tells a client by what id it can come back before there is any event,
// and when (revision 2025-11-25, transports).
func (e *eventWriter) prime(stream string) error {
	return e.write(fmt.Appendf(nil, "id: %s\nretry: %d\ndata: \n\n", eventID(stream, -1), retryMS))
}

// eventID names the event with number n of a stream; the one before the first
// has number -1.
func eventID(stream string, n int) string { return stream + "." + strconv.Itoa(n+1) }

// parseEventID returns what eventID was given.
func parseEventID(id string) (stream string, n int, ok bool) {
	stream, number, ok := strings.Cut(id, ".")
	n, err := strconv.Atoi(number)
	return stream, n - 1, ok && err == nil && n >= 0
}
