package egress

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/time/rate"

	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
)

// policies are those that the figures compare: the one needs no more than the address,
// the other looks at what a client says first.
var policies = []struct {
	name  string
	mode  policy.Mode
	allow []string
}{
	{"open", policy.Open, nil},
	{"allow", policy.Allow, []string{"a.example:80", "a.example:7"}},
}

// newBenchWorld returns a world in which 203.0.113.1 is a.example, without rates.
func newBenchWorld(b *testing.B, mode policy.Mode, allow []string) *world {
	w := newWorld(b, mode, allow...)
	w.net.connects.SetLimit(rate.Inf)
	w.name("a.example", "203.0.113.1")
	w.resolve("a.example")
	return w
}

// BenchmarkStream has a program in the guest, and in the host, send without an end over
// one connection.
func BenchmarkStream(b *testing.B) {
	for _, p := range policies {
		for _, way := range []string{"down", "up"} {
			b.Run(p.name+"/"+way, func(b *testing.B) {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				defer ln.Close()
				go func() {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					defer c.Close()
					if way == "up" {
						io.Copy(io.Discard, c)
						return
					}
					io.ReadFull(c, make([]byte, 6))
					io.Copy(c, zeros{})
				}()
				w := newBenchWorld(b, p.mode, p.allow)
				w.put("203.0.113.1:7", ln.Addr())
				c, err := w.guest.dial(b.Context(), "tcp", "203.0.113.1:7")
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				io.WriteString(c, "begin\n")
				buf := make([]byte, 64<<10)
				b.SetBytes(int64(len(buf)))
				for b.Loop() {
					if way == "up" {
						_, err = c.Write(buf)
					} else {
						_, err = io.ReadFull(c, buf)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkHTTP has a program in the guest load 1 MiB by a request of HTTP.
func BenchmarkHTTP(b *testing.B) {
	body := make([]byte, 1<<20)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	}))
	defer s.Close()
	for _, p := range policies {
		b.Run(p.name, func(b *testing.B) {
			w := newBenchWorld(b, p.mode, p.allow)
			w.put("203.0.113.1:80", s.Listener.Addr())
			client := w.client("203.0.113.1:80")
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				r, err := client.Get("http://a.example/")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					b.Fatal(err)
				}
				r.Body.Close()
			}
		})
	}
}

// BenchmarkConnect has a program in the guest connect, say a line and hear it back.
// "none" is the same without a network between it and the server.
func BenchmarkConnect(b *testing.B) {
	server := echo(b)
	line := []byte("a line\n")
	talk := func(b *testing.B, c net.Conn, err error) {
		if err == nil {
			_, err = c.Write(line)
		}
		if err == nil {
			_, err = io.ReadFull(c, make([]byte, len(line)))
		}
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
	b.Run("none", func(b *testing.B) {
		for b.Loop() {
			c, err := net.Dial("tcp", server.String())
			talk(b, c, err)
		}
	})
	for _, p := range policies {
		b.Run(p.name, func(b *testing.B) {
			w := newBenchWorld(b, p.mode, p.allow)
			w.put("203.0.113.1:7", server)
			for b.Loop() {
				c, err := w.guest.dial(b.Context(), "tcp", "203.0.113.1:7")
				talk(b, c, err)
			}
		})
	}
}

// BenchmarkIdle says what a network takes of memory in which nothing happens.
func BenchmarkIdle(b *testing.B) {
	const networks = 50
	p, err := policy.Parse(policy.Config{Mode: policy.Open})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		before := memory()
		list := make([]*Network, networks)
		for i := range list {
			ours, theirs := datagramPair(b)
			defer theirs.Close()
			if list[i], err = New(Config{Frames: ours, MAC: guestMAC, Policy: p}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(memory()-before)/networks/1024, "KiB/network")
		for _, n := range list {
			if err := n.Close(); err != nil {
				b.Error(err)
			}
		}
	}
}

// memory returns the bytes that are in use, stacks included.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
