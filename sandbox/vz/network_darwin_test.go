//go:build cgo

package vz_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest/testimage"
	"github.com/vmette/vmette-mcp/sandbox/vz"
)

// TestIntegrationNetwork has a guest ask a server of this process that its network
// allows, under a name that nobody has, and another one.
func TestIntegrationNetwork(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "reached %s\n", r.Host)
	}))
	defer server.Close()
	const address = "203.0.113.10"
	b, err := vz.New(vz.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := testimage.Minimal(t)
	cfg.Network = sandbox.NewNetwork(policy.Config{Mode: policy.Allow, Allow: []string{"ok.example"}})
	s, err := sandbox.Start(t.Context(), b, cfg, sandbox.StartOptions{Dir: t.TempDir(), Network: sandbox.NetworkOptions{
		Lookup: func(context.Context, string, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr(address)}, nil
		},
		Dial: func(ctx context.Context, network, to string) (net.Conn, error) {
			if to != address+":80" {
				return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
			}
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	for name, want := range map[string]string{"ok.example": "reached ok.example", "evil.example": ""} {
		command := fmt.Sprintf(`bash -c 'exec 3<>/dev/tcp/%[1]s/80 && printf "GET / HTTP/1.1\r\nHost: %[1]s\r\nConnection: close\r\n\r\n" >&3 && timeout 10 tail -n 1 <&3'`, name)
		res, err := s.Do(t.Context(), desktop.Exec{Command: command, TimeoutMS: 60_000}, desktop.Observe{})
		if err != nil {
			t.Fatalf("%v\nconsole:\n%s", err, s.Console())
		}
		if got := strings.TrimSpace(string(res.Stdout)); got != want {
			t.Errorf("of %s the guest has %q, stderr %q; want %q", name, got, res.Stderr, want)
		}
	}
}
