package mcp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vmette/vmette-mcp/mcp/rpc"
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

	conv := s.newTenant("stdio "+rand.Text(), nil).converse(wholly)
	if s.cfg.OnOwn != nil {
		conv.onOwn = func(id string) { s.cfg.OnOwn(conv.owner, id) }
	}
	peer := rpc.NewPeer(s.peerConfig(conv.handle))
	w := newLineWriter()

	written := make(chan struct{})
	go func() {
		defer close(written)
		if err := w.write(out); err != nil {
			cancel(fmt.Errorf("write to client: %w", err))
			w.discard()
		}
	}()
	read := make(chan error, 1)
	go func() { read <- readMessages(ctx, in, peer, w) }()

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
	err = errors.Join(err, peer.Close(flush))
	w.close()
	select {
	case <-written:
	case <-flush.Done():
		err = errors.Join(err, errors.New("write to client: it does not read"))
	}
	return err
}

// readMessages hands each line of in to peer until in ends.
func readMessages(ctx context.Context, in io.Reader, peer *rpc.Peer, w *lineWriter) error {
	r := bufio.NewReaderSize(in, 64<<10)
	var taken []func() // what came together
	begin := func() {
		for _, f := range taken {
			f()
		}
		taken = nil
	}
	defer begin()
	for {
		if !holdsLine(r) {
			begin()
		}
		line, err := readLine(r, maxMessage)
		var long *tooLongError
		switch {
		case errors.As(err, &long):
			w.line(rpc.Refusal(long.id, rpc.CodeInvalid, fmt.Sprintf("the message is longer than %d bytes: send less at once", maxMessage)))
			continue
		case err != nil && err != io.EOF:
			return fmt.Errorf("read from client: %w", err)
		}
		if len(line) > 0 {
			m, refusals := rpc.Parse(line)
			for _, refusal := range refusals {
				w.line(refusal)
			}
			if m != nil {
				taken = append(taken, peer.Take(ctx, m, w))
			}
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
