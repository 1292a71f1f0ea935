package x11

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"
)

// Conn is a connection of its own to an X server, for what is done beside input
// and pictures: windows, selections. It has one reader of events, and any number
// of goroutines that make requests. Close it.
type Conn struct {
	*xgb.Conn
	Root xproto.Window // of the first screen

	wire   *wire
	stop   func() bool
	events chan xgb.Event
	closed chan struct{} // by Close, for the reader
	done   chan struct{} // by the reader, at the end of the connection
	reader sync.WaitGroup

	mu    sync.Mutex
	atoms map[string]xproto.Atom
}

// Connect connects to a local display such as ":0", until ctx ends or the Conn
// is closed.
func Connect(ctx context.Context, display string) (*Conn, error) {
	x, w, err := dial(ctx, display, "")
	if err != nil {
		return nil, err
	}
	c := &Conn{
		Conn: x, wire: w,
		Root:   xproto.Setup(x).DefaultScreen(x).Root,
		events: make(chan xgb.Event, 64),
		closed: make(chan struct{}),
		done:   make(chan struct{}),
		atoms:  make(map[string]xproto.Atom),
	}
	c.stop = context.AfterFunc(ctx, func() { w.end(context.Cause(ctx)) })
	c.reader.Go(c.read)
	return c, nil
}

// read passes events on. Errors of requests that nobody has waited for are not
// looked at.
func (c *Conn) read() {
	defer close(c.events)
	for {
		event, xerr := c.WaitForEvent()
		if event == nil {
			if xerr == nil {
				close(c.done)
				return
			}
			continue
		}
		select {
		case c.events <- event:
		case <-c.closed:
		}
	}
}

// Close ends the connection and what waits for it. It must be called once.
func (c *Conn) Close() {
	c.stop()
	close(c.closed)
	c.wire.end(errClosed)
	c.reader.Wait()
}

// Events is where the server's events come out. It is closed when the connection
// has ended; Err then tells why.
func (c *Conn) Events() <-chan xgb.Event { return c.events }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err returns why the connection has ended, or nil.
func (c *Conn) Err() error { return c.wire.reason() }

// Next waits for an event.
func (c *Conn) Next(ctx context.Context) (xgb.Event, error) {
	select {
	case event, ok := <-c.events:
		if !ok {
			return nil, c.Err()
		}
		return event, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Reply waits for the reply to a request. A server that does not answer within
// its patience loses the connection.
func Reply[T any](c *Conn, request interface{ Reply() (T, error) }) (T, error) {
	watch := time.AfterFunc(patience, func() { c.wire.end(errSilent) })
	defer watch.Stop()
	reply, err := request.Reply()
	if err != nil && c.Err() != nil {
		err = c.Err()
	}
	return reply, err
}

// Sync returns when the server has processed all requests made so far.
func (c *Conn) Sync() error {
	_, err := Reply(c, xproto.GetInputFocus(c.Conn))
	return err
}

// Atom returns the atom of a name.
func (c *Conn) Atom(name string) (xproto.Atom, error) {
	c.mu.Lock()
	atom, ok := c.atoms[name]
	c.mu.Unlock()
	if ok {
		return atom, nil
	}
	reply, err := Reply(c, xproto.InternAtom(c.Conn, false, uint16(len(name)), name))
	if err != nil {
		return 0, fmt.Errorf("intern %s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.atoms[name] = reply.Atom
	return reply.Atom, nil
}

// Intern asks for the atoms of all names at once.
func (c *Conn) Intern(names ...string) error {
	cookies := make([]xproto.InternAtomCookie, len(names))
	for i, name := range names {
		cookies[i] = xproto.InternAtom(c.Conn, false, uint16(len(name)), name)
	}
	for i, name := range names {
		reply, err := Reply(c, cookies[i])
		if err != nil {
			return fmt.Errorf("intern %s: %w", name, err)
		}
		c.mu.Lock()
		c.atoms[name] = reply.Atom
		c.mu.Unlock()
	}
	return nil
}

// Known returns the atom of a name that has been interned on this connection,
// or 0.
func (c *Conn) Known(name string) xproto.Atom {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.atoms[name]
}

// Watch asks for events of a window. A window that is gone is not an error.
func (c *Conn) Watch(window xproto.Window, mask uint32) {
	xproto.ChangeWindowAttributes(c.Conn, window, xproto.CwEventMask, []uint32{mask})
}

// Message sends a client message about a window to the root window, which the
// window manager gets (EWMH, "Root Window Messages").
func (c *Conn) Message(about xproto.Window, kind xproto.Atom, data ...uint32) {
	c.send(c.Root, xproto.EventMaskSubstructureRedirect|xproto.EventMaskSubstructureNotify, about, kind, data)
}

// Tell sends a client message to a window's own client.
func (c *Conn) Tell(window xproto.Window, kind xproto.Atom, data ...uint32) {
	c.send(window, xproto.EventMaskNoEvent, window, kind, data)
}

func (c *Conn) send(to xproto.Window, mask uint32, about xproto.Window, kind xproto.Atom, data []uint32) {
	message := xproto.ClientMessageEvent{
		Format: 32, Window: about, Type: kind,
		Data: xproto.ClientMessageDataUnionData32New(append(slices.Clone(data), make([]uint32, 5)...)[:5]),
	}
	xproto.SendEvent(c.Conn, false, to, mask, string(message.Bytes()))
}

// Extension makes the requests of an extension known to xgb and reports whether
// the server has it.
func (c *Conn) Extension(name string) (bool, error) {
	r, err := Reply(c, xproto.QueryExtension(c.Conn, uint16(len(name)), name))
	if err != nil {
		return false, fmt.Errorf("ask for %s: %w", name, err)
	}
	if r.Present {
		c.ExtLock.Lock()
		c.Extensions[name] = r.MajorOpcode
		c.ExtLock.Unlock()
	}
	return r.Present, nil
}

// Client returns the part of a resource's number that is the same for all of one
// client's.
func (c *Conn) Client(resource uint32) uint32 {
	return resource &^ xproto.Setup(c.Conn).ResourceIdMask
}
