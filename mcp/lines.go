package mcp

import (
	"io"

	"github.com/vmette/vmette-mcp/mcp/rpc"
)

// lineWriter writes messages to a client, one a line, in the order in which they
// are sent. It is the [rpc.Sink] of all requests of the client.
type lineWriter struct {
	lines    chan []byte
	finished chan struct{} // closed when nothing is sent any more
}

func newLineWriter() *lineWriter {
	return &lineWriter{lines: make(chan []byte), finished: make(chan struct{})}
}

// Send waits until the client takes the message, or the writer is closed.
func (w *lineWriter) Send(m rpc.Outgoing) { w.line(m.Data) }

// Close does nothing: other requests have more to say.
func (w *lineWriter) Close() {}

func (w *lineWriter) line(message []byte) {
	select {
	case w.lines <- message:
	case <-w.finished:
	}
}

// write writes to out until the writer is closed or out fails.
func (w *lineWriter) write(out io.Writer) error {
	for {
		select {
		case line := <-w.lines:
			if _, err := out.Write(append(line, '\n')); err != nil {
				return err
			}
		case <-w.finished:
			return nil
		}
	}
}

// discard takes messages that cannot be written until the writer is closed.
func (w *lineWriter) discard() {
	for {
		select {
		case <-w.lines:
		case <-w.finished:
			return
		}
	}
}

// close drops what the client has not taken by now.
func (w *lineWriter) close() { close(w.finished) }
