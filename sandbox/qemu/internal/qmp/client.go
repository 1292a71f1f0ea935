// Package qmp is a small client of QEMU's machine protocol: commands with
// contexts, events, and file descriptors passed along.
//
//	c, err := qmp.NewClient(ctx, conn, func(e qmp.Event) { ... })
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	err = c.Execute(ctx, "stop", nil, nil)
package qmp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrClosed is the error of a command on a connection that has ended.
var ErrClosed = errors.New("qmp connection closed")

// Client is one connection to QEMU. It is safe for concurrent use.
type Client struct {
	conn    *net.UnixConn
	onEvent func(Event)
	version Version

	write sync.Mutex // a command and its file descriptors go out in one piece

	mu      sync.Mutex
	lastID  uint64
	pending map[uint64]chan answer // of commands under way, each with room for its answer

	done chan struct{}
	err  error // why the connection ended, after done
}

// NewClient takes over conn, waits for QEMU's greeting and opens command mode.
// onEvent, when not nil, is called for each event, one at a time and before
// any later answer is delivered; it must not block or call the Client. When
// NewClient fails, conn is closed.
func NewClient(ctx context.Context, conn *net.UnixConn, onEvent func(Event)) (*Client, error) {
	c := &Client{
		conn:    conn,
		onEvent: onEvent,
		pending: make(map[uint64]chan answer),
		done:    make(chan struct{}),
	}
	greeted := make(chan struct{})
	go c.read(greeted)
	err := func() error {
		select {
		case <-greeted:
			return c.Execute(ctx, "qmp_capabilities", nil, nil)
		case <-c.done:
			return c.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}()
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("open qmp: %w", err)
	}
	return c, nil
}

// Version returns the version of QEMU.
func (c *Client) Version() Version { return c.version }

// Execute runs a command with args, a value that encodes to a JSON object or
// nil, and decodes what it returns into result, unless that is nil. files are
// passed along, for commands such as getfd; they stay the caller's. A refusal by
// QEMU is an *Error. When ctx ends first, the command may still be executed.
func (c *Client) Execute(ctx context.Context, command string, args, result any, files ...*os.File) error {
	got := make(chan answer, 1)
	c.mu.Lock()
	c.lastID++
	id := c.lastID
	c.pending[id] = got
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.pending, id)
		c.mu.Unlock()
	}()

	data, err := json.Marshal(request{Execute: command, Arguments: args, ID: id})
	if err != nil {
		return fmt.Errorf("encode %s: %w", command, err)
	}
	if err := c.send(data, files); err != nil {
		return fmt.Errorf("send %s: %w", command, err)
	}
	select {
	case a := <-got:
		if a.err != nil {
			return fmt.Errorf("%s: %w", command, a.err)
		}
		if result == nil {
			return nil
		}
		if err := json.Unmarshal(a.ret, result); err != nil {
			return fmt.Errorf("decode answer to %s: %w", command, err)
		}
		return nil
	case <-c.done:
		return fmt.Errorf("%s: %w", command, c.err)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", command, context.Cause(ctx))
	}
}

// send writes one command. Commands are far smaller than a socket's buffer and
// wait for their answers, so a write does not block.
func (c *Client) send(data []byte, files []*os.File) error {
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	c.write.Lock()
	defer c.write.Unlock()
	data = append(data, '\n')
	n, _, err := c.conn.WriteMsgUnix(data, rights, nil)
	if err == nil && n < len(data) {
		_, err = c.conn.Write(data[n:])
	}
	return err
}

// read takes QEMU's messages until the connection ends or breaks the protocol.
func (c *Client) read(greeted chan<- struct{}) {
	defer close(c.done)
	defer c.conn.Close()
	lines := bufio.NewScanner(c.conn)
	lines.Buffer(nil, MaxMessage)
	for lines.Scan() {
		m, err := decode(lines.Bytes())
		if err != nil {
			c.err = err
			return
		}
		switch {
		case m.greeting != nil:
			if greeted == nil {
				c.err = errors.New("qemu greeted twice")
				return
			}
			c.version = *m.greeting
			close(greeted)
			greeted = nil
		case m.event != nil:
			if c.onEvent != nil {
				c.onEvent(*m.event)
			}
		case m.answer != nil:
			c.mu.Lock()
			got := c.pending[m.answer.id]
			delete(c.pending, m.answer.id)
			c.mu.Unlock()
			if got != nil {
				got <- *m.answer
			}
		}
	}
	c.err = ErrClosed
	if err := lines.Err(); err != nil && !errors.Is(err, net.ErrClosed) {
		c.err = fmt.Errorf("%w: %w", ErrClosed, err)
	}
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the connection and waits until no event is delivered any more. It
// may be called more than once.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
