package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
)

// Limits of the stdio transport.
const (
	maxMessage = 4 << 20                 // bytes of one message of the client
	closeLimit = 1500 * time.Millisecond // for the desktops to end once the client is gone
	flushLimit = 300 * time.Millisecond  // for the client to take the last answers
)

// ServeStdio serves one conversation: messages of JSON-RPC 2.0 as lines on in,
// answers and notifications as lines on out. Nothing else is written to out.
//
// It returns nil once in has ended, or an error when ctx is done, or in or out
// fails. Calls under way are then cancelled, and every desktop of the
// conversation is ended before it returns, within 2 seconds. When in has not
// ended, it is closed if it is an [io.Closer]; a Read or Write that does not
// even return then is left behind.
func (s *Server) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	session := newSession()
	if err := s.mcp.RegisterSession(ctx, session); err != nil {
		return fmt.Errorf("register session: %w", err)
	}
	defer s.mcp.UnregisterSession(context.WithoutCancel(ctx), session.SessionID())
	conv := s.newConversation("stdio " + session.SessionID())
	d := newDispatcher(withConversation(s.mcp.WithContext(ctx, session), conv), s.mcp.HandleMessage, s.log)

	written := make(chan struct{})
	go func() {
		defer close(written)
		if err := d.write(out, session.notifications); err != nil {
			cancel(fmt.Errorf("write to client: %w", err))
			d.discard()
		}
	}()
	read := make(chan error, 1)
	go func() { read <- readMessages(in, d) }()

	var err error
	select {
	case err = <-read:
	case <-ctx.Done():
		err = context.Cause(ctx)
		if c, ok := in.(io.Closer); ok {
			_ = c.Close()
		}
	}
	cancel(errClosed)
	limit, stop := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer stop()
	err = errors.Join(err, conv.Close(limit))
	flush, stop := context.WithTimeout(context.WithoutCancel(ctx), flushLimit)
	defer stop()
	err = errors.Join(err, d.close(flush))
	select {
	case <-written:
	case <-flush.Done():
		err = errors.Join(err, errors.New("write to client: it does not read"))
	}
	return err
}

// readMessages hands each line of in to d until in ends.
func readMessages(in io.Reader, d *dispatcher) error {
	r := bufio.NewReaderSize(in, 64<<10)
	defer d.begin()
	for {
		if !holdsLine(r) {
			d.begin()
		}
		line, err := readLine(r, maxMessage)
		var long *tooLongError
		switch {
		case errors.As(err, &long):
			d.answer(protocolError(long.id, mcp.INVALID_REQUEST, fmt.Sprintf("the message is longer than %d bytes: send less at once", maxMessage)))
			continue
		case err != nil && err != io.EOF:
			return fmt.Errorf("read from client: %w", err)
		}
		if len(line) > 0 {
			d.receive(line)
		}
		if err == io.EOF {
			return nil
		}
	}
}

// holdsLine reports whether the next line has been read already.
func holdsLine(r *bufio.Reader) bool {
	b, _ := r.Peek(r.Buffered())
	return bytes.IndexByte(b, '\n') >= 0
}

// tooLongError is a line that is too long. id is that of the request in it, nil
// when it has none.
type tooLongError struct{ id json.RawMessage }

func (*tooLongError) Error() string { return "line is too long" }

// readLine returns the next line without its end and without the blanks around
// it. A line of more than limit bytes is skipped, and gives a *tooLongError.
// With io.EOF it may return a last line that was not ended.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	var long *idFinder // once the line is too long
	for {
		part, err := r.ReadSlice('\n')
		if long == nil && len(line)+len(part) > limit {
			long = new(idFinder)
			long.feed(line)
			line = nil
		}
		if long != nil {
			long.feed(part)
		} else {
			line = append(line, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case long != nil && (err == nil || err == io.EOF):
			return nil, &tooLongError{long.found()}
		}
		return bytes.TrimSpace(line), err
	}
}

func writeLine(out io.Writer, line []byte) error {
	_, err := out.Write(append(line, '\n'))
	return err
}

// encode encodes a message of ours.
func encode(message any) []byte {
	b, err := json.Marshal(message)
	if err != nil { // nothing that we send can fail
		b, _ = json.Marshal(protocolError(nil, mcp.INTERNAL_ERROR, "the answer could not be encoded"))
	}
	return b
}
