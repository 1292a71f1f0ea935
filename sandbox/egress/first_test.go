package egress

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmette/vmette-mcp/sandbox/egress/hello"
)

// Whom a client means cannot be hidden by waiting.
func TestFirstWordsCannotBeWaitedFor(t *testing.T) {
	tests := []struct {
		name   string
		atOnce bool
		begun  string // after a second
		later  string // after two minutes
		kind   hello.Kind
		err    error
	}{
		{"silence, then HTTP, where the server may speak first", false, "", "GET / HTTP/1.1\r\n", hello.HTTP, nil},
		{"silence on the web's ports", true, "", "GET / HTTP/1.1\r\n", hello.Other, os.ErrDeadlineExceeded},
		{"half a word", false, "GE", "T / HTTP/1.1\r\n", hello.Other, os.ErrDeadlineExceeded},
		{"half a ClientHello", false, "\x16\x03", "\x01", hello.Other, os.ErrDeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				var talk sync.WaitGroup
				talk.Go(func() {
					defer client.Close()
					time.Sleep(time.Second)
					if tt.begun != "" {
						client.Write([]byte(tt.begun))
					}
					time.Sleep(2 * time.Minute)
					client.Write([]byte(tt.later))
				})
				first, _, err := readFirst(server, tt.atOnce)
				server.Close()
				talk.Wait()
				if first.Kind != tt.kind || !errors.Is(err, tt.err) {
					t.Errorf("got kind %v, %v; want %v, %v", first.Kind, err, tt.kind, tt.err)
				}
			})
		})
	}
}
