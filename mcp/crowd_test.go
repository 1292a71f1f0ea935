package mcp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/mcp/auth"
	"github.com/vmette/vmette-mcp/mcp/guard"
	"github.com/vmette/vmette-mcp/mcp/quota"
)

// crowd is many connections of one ill-behaved client, who has a token.
type crowd struct {
	ctx   context.Context
	addr  string
	token string
}

// each runs do n times side by side.
func each(n int, do func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

// dial connects until the crowd goes away.
func (c crowd) dial() net.Conn {
	var d net.Dialer
	conn, err := d.DialContext(c.ctx, "tcp", c.addr)
	if err != nil {
		return nil // it has gone, or the server has its hands full
	}
	context.AfterFunc(c.ctx, func() { conn.Close() })
	return conn
}

// begin sends the headers of a POST, and more of them.
func (c crowd) begin(w io.Writer, headers string) error {
	_, err := fmt.Fprintf(w, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nContent-Type: application/json\r\n"+
		"Accept: application/json, text/event-stream\r\n%s", c.token, headers)
	return err
}

// dawdle sends headers, and then no more until the server hangs up.
func (c crowd) dawdle(headers string) {
	conn := c.dial()
	if conn == nil {
		return
	}
	if c.begin(conn, headers) == nil {
		_, _ = io.Copy(io.Discard, conn)
	}
}

// post sends a body again and again, in whatever form headers announce it.
func (c crowd) post(headers string, body func(w io.Writer) error) {
	for c.ctx.Err() == nil {
		conn := c.dial()
		if conn == nil {
			continue
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(io.Discard, conn) })
		if c.begin(conn, headers) == nil {
			_ = body(conn)
		}
		conn.Close()
		wg.Wait()
	}
}

// callAndHangUp opens a session, makes calls in it that take long and send a lot, and
// hangs up on each.
func (c crowd) callAndHangUp() {
	conn := c.dial()
	if conn == nil {
		return
	}
	defer conn.Close()
	if c.begin(conn, fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(initialize), initialize)) != nil {
		return
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return
	}
	session := res.Header.Get("Mcp-Session-Id")
	for id := range 32 {
		conn := c.dial()
		if conn == nil {
			return
		}
		call := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"wait","arguments":{"duration":60},"_meta":{"x":"`, id+1)
		const end = `"}}}`
		const size = 3 << 20
		if c.begin(conn, fmt.Sprintf("Mcp-Session-Id: %s\r\nContent-Length: %d\r\n\r\n%s", session, len(call)+size+len(end), call)) == nil &&
			spaces(conn, size) == nil {
			_, _ = io.WriteString(conn, end)
		}
		conn.Close()
	}
}

// spaces writes n of them.
func spaces(w io.Writer, n int) error {
	piece := []byte(strings.Repeat(" ", 1<<16))
	for ; n > 0; n -= len(piece) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// Whatever one client does, others are served without a single error, and the
// memory that it takes is bounded.
func TestCrowds(t *testing.T) {
	const (
		connections = 400
		calls       = 10
		mayTake     = 96 << 20 // bytes of the heap, where what crowds send is gigabytes
	)
	for name, gather := range map[string]func(c crowd){
		"headers that never end": func(c crowd) {
			each(2*connections, func(int) { c.dawdle("X: ") })
		},
		"bodies that never end": func(c crowd) {
			each(2*connections, func(int) { c.dawdle("Content-Length: 100\r\n\r\n") })
		},
		"64 MiB that are announced": func(c crowd) {
			each(32, func(int) {
				c.post(fmt.Sprintf("Content-Length: %d\r\n\r\n", 64<<20), func(w io.Writer) error { return spaces(w, 64<<20) })
			})
		},
		"64 MiB in chunks": func(c crowd) {
			each(16, func(int) {
				c.post("Transfer-Encoding: chunked\r\n\r\n", func(w io.Writer) error {
					for range 64 << 20 >> 16 {
						if _, err := io.WriteString(w, "10000\r\n"); err != nil {
							return err
						}
						if err := spaces(w, 1<<16); err != nil {
							return err
						}
						if _, err := io.WriteString(w, "\r\n"); err != nil {
							return err
						}
					}
					return nil
				})
			})
		},
		"connections that idle": func(c crowd) {
			for range 10_000 {
				c.dial()
			}
		},
		"sessions in a loop": func(c crowd) {
			each(100, func(int) {
				c.post("", func(w io.Writer) error {
					for range 100 {
						if err := c.begin(w, fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(initialize), initialize)); err != nil {
							return err
						}
					}
					return nil
				})
			})
		},
		"calls that are hung up on": func(c crowd) {
			each(32, func(int) {
				for c.ctx.Err() == nil {
					c.callAndHangUp()
				}
			})
		},
		"streams": func(c crowd) {
			each(2*connections, func(int) {
				if conn := c.dial(); conn != nil {
					fmt.Fprintf(conn, "GET /sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n\r\n", c.token)
					_, _ = io.Copy(io.Discard, conn)
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			v, as := tokens(t, "alice", "mallory")
			host := newFakeHost()
			host.do = func(ctx context.Context, d *fakeDesktop, a desktop.Action, o desktop.Observe) (*desktop.Result, error) {
				if _, ok := a.(desktop.Wait); ok {
					<-ctx.Done()
				}
				return obey(ctx, d, a, o)
			}
			w := serveHTTP(t, host, HTTPConfig{
				Verifiers: []auth.Verifier{v},
				Guard:     guard.Config{MaxConnections: connections},
				Limits:    quota.Limits{Held: 8 << 20, Rate: 200}, // a request takes several times its size while it is handled
			})
			alice := w.session(as["alice"]...)
			w.call(alice, "desktop_create", `{}`)
			before := heap()

			ctx, disperse := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { gather(crowd{ctx, strings.TrimPrefix(w.url, "http://"), as["mallory"][1]}) })
			var most uint64
			for range calls {
				if o := w.call(alice, "cursor_position", `{}`); o.Result.IsError {
					t.Errorf("another client is told %s", o.text())
				}
				most = max(most, heap())
			}
			disperse()
			wg.Wait()
			if most > before+mayTake {
				t.Errorf("the heap grew by %d MiB", (most-before)>>20)
			}
		})
	}
}

// heap returns how many bytes of the heap are held. How much garbage lies beside
// them depends on how busy the machine is.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
