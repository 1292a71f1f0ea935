package desktop

import (
	"context"
	"net"
)

// Client is the host's end of a control connection. It is safe for concurrent
// use; actions run in parallel as far as the guest allows.
type Client struct{}

// ClientConfig is what a Client needs to know of the guest it talks to.
type ClientConfig struct {
	Token string // that the hello must show
}

// Result is a response with its payload taken apart.
type Result struct {
	Response
	Stdout, Stderr []byte // of an Exec
}

// NewClient takes over conn, on which the guest has yet to say hello, and
// returns when the hello was checked. When it fails, conn is closed.
func NewClient(ctx context.Context, conn net.Conn, cfg ClientConfig) (*Client, error) {
	panic("desktop helper")
}

// Do sends an action and waits for its answer. When ctx ends first, the action
// is cancelled in the guest, and Do returns when the guest has acknowledged
// that or a short grace has passed. A failure that the guest reports is an
// *Error; a connection that broke while the action was under way gives an
// *Error with CodeUnknown: it is never sent again.
func (c *Client) Do(ctx context.Context, a Action, o Observe) (*Result, error) {
	panic("desktop helper")
}

// Hello returns what the guest said of itself.
func (c *Client) Hello() Hello { panic("desktop helper") }

// Mirror returns the mirror of the guest's screen.
func (c *Client) Mirror() *Mirror { panic("desktop helper") }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { panic("desktop helper") }

// Err returns why the connection ended, after Done.
func (c *Client) Err() error { panic("desktop helper") }

// Close ends the connection.
func (c *Client) Close() error { panic("desktop helper") }
