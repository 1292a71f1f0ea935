package desktop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Guest is the guest agent's end of a control connection. One goroutine may
// read requests while any number write responses.
type Guest struct {
	conn    net.Conn
	welcome Welcome
	r       *bufio.Reader
	m       Message // what the last ReadRequest read

	mu sync.Mutex // held while a response is written
}

// RefusedError is a host that does not want this agent. Dialling again is of
// no use.
type RefusedError struct {
	Reason string
}

// Error returns the host's reason.
func (e *RefusedError) Error() string { return "host refused the connection: " + e.Reason }

// NewGuest takes over conn, says hello on it and returns when the host has
// welcomed it. Protocol and Connection of the hello are filled in when zero.
// When it fails, conn is closed; a host that refuses gives a *[RefusedError].
func NewGuest(ctx context.Context, conn net.Conn, hello Hello) (*Guest, error) {
	if hello.Protocol == 0 {
		hello.Protocol = Version
	}
	if hello.Connection == "" {
		hello.Connection = ConnControl
	}
	g := &Guest{conn: conn, r: bufio.NewReaderSize(conn, 4<<10)}
	err := withContext(ctx, conn, func() error {
		var err error
		g.welcome, err = greet(conn, hello)
		return err
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet host: %w", err)
	}
	return g, nil
}

// Resume returns what the guest is from now on, when the host says that it was
// started from a saved state, and nil otherwise. See [Welcome.Resume].
func (g *Guest) Resume() *Boot { return g.welcome.Resume }

// Time returns the host's time in its welcome: the zero time when the host said none.
// See [Welcome.UnixTime].
func (g *Guest) Time() time.Time {
	if g.welcome.UnixTime == 0 {
		return time.Time{}
	}
	return time.Unix(0, g.welcome.UnixTime)
}

// ReadRequest waits for the next request. It returns io.EOF when the host has
// closed the connection.
//
// A request that cannot be understood or is not valid gives an *[Error] with
// [CodeInvalid] together with its id: answer it with that error and read on.
// After any other error the connection can only be closed.
func (g *Guest) ReadRequest() (id uint32, req Request, err error) {
	if err := g.m.read(g.r, MaxPayload); err != nil {
		return 0, Request{}, err
	}
	if g.m.ID == 0 {
		return 0, Request{}, broken(errors.New("request has req_id 0"))
	}
	if err := Unmarshal(g.m.Header, &req); err != nil {
		return g.m.ID, Request{}, Errorf(CodeInvalid, "%s", PlainLine(err.Error(), maxMessage))
	}
	if c, ok := req.Action.(carrier); ok {
		req.Action = c.withPayload(g.m.Payload)
		g.m.Payload = nil // it is the action's now
	}
	return g.m.ID, req, nil
}

// WriteResponse answers the request with this id. PayloadLen is filled in. A
// response that contradicts itself is refused and nothing is written, so that
// another can be sent in its place: that error is not a *[net.OpError] and the
// connection is whole. Responses are written one at a time.
//
// Frames must be written in the order of their numbers. An agent that answers
// from several goroutines holds a lock of its own around capture and
// WriteResponse.
func (g *Guest) WriteResponse(id uint32, resp Response, payload []byte) error {
	resp.PayloadLen = len(payload)
	header, err := Marshal(resp)
	if err != nil {
		return fmt.Errorf("encode response: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return WriteFrame(g.conn, id, header, payload)
}

// Close ends the connection. ReadRequest then fails.
func (g *Guest) Close() error { return g.conn.Close() }
