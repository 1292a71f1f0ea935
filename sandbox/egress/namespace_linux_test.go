package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox/egress/policy"
	"github.com/vmette/vmette-mcp/sandbox/internal/dnstest"
)

// TestNamespace has a network use the dialer, the resolver and the addresses of a
// host: a network namespace of the test's own, with another one at the other end of
// its cable. No packet leaves them.
func TestNamespace(t *testing.T) {
	if os.Getenv("VMETTE_NAMESPACE") != "" {
		testInNamespace(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNamespace$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), "VMETTE_NAMESPACE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if id := os.Geteuid(); id != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// ip runs ip(8) in the namespace of the calling thread, once for each line.
func ip(t *testing.T, commands string) {
	t.Helper()
	for line := range strings.Lines(commands) {
		if args := strings.Fields(line); len(args) > 0 {
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
			}
		}
	}
}

// serveNames answers for names as the host's name server.
func serveNames(t *testing.T) *dnstest.Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	target, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	s, err := dnstest.Listen("127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); unix.Unmount(target, 0) })
	return s
}

// neighbour makes another namespace, and returns a listener in it.
func neighbour(t *testing.T) net.Listener {
	t.Helper()
	ready, cabled := make(chan int), make(chan struct{})
	listening := make(chan net.Listener)
	go func() {
		defer close(listening)
		runtime.LockOSThread() // for good: the thread goes with its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
		}
		ready <- unix.Gettid()
		<-cabled
		ip(t, `
			link set lo up
			addr add 203.0.113.10/32 dev lo
			addr add 198.51.100.2/24 dev v1
			addr add 2001:db8:1::2/64 dev v1 nodad
			link set v1 up`)
		ln, err := net.Listen("tcp", ":80")
		if err != nil {
			t.Error(err)
			return
		}
		listening <- ln
	}()
	ip(t, fmt.Sprintf(`
		link set lo up
		link add v0 type veth peer name v1 netns %d
		addr add 198.51.100.1/24 dev v0
		addr add 2001:db8:1::1/64 dev v0 nodad
		link set v0 up
		route add 203.0.113.0/24 via 198.51.100.2
		route add local 203.0.113.128/25 dev lo`, <-ready))
	close(cabled)
	ln, ok := <-listening
	if !ok {
		t.Fatal("there is no neighbour")
	}
	return ln
}

func testInNamespace(t *testing.T) {
	s := httptest.NewUnstartedServer(who("the neighbour"))
	s.Listener.Close()
	s.Listener = neighbour(t)
	s.Start()
	defer s.Close()
	own, err := net.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	host := &http.Server{Handler: who("the host")}
	go host.Serve(own)
	defer host.Close()
	names := serveNames(t)
	names.Set("ok.example", "203.0.113.10")
	names.Set("alias.example", "alias ok.example")
	names.Set("lan.example", "alias nas.lan.example")
	names.Set("nas.lan.example", "198.51.100.2")
	names.Set("inside.example", "203.0.113.200")
	const (
		itself  = "of the host itself, or of a network that it is on"
		private = "always refused"
	)
	for _, tt := range []struct {
		mode  policy.Mode
		allow []string
		to    string
		want  string // who answers, or what the log says
	}{
		{policy.Open, nil, "203.0.113.10", "reached the neighbour"},
		{policy.Open, nil, "ok.example", "reached the neighbour"},
		{policy.Open, nil, "alias.example", "reached the neighbour"},
		{policy.Open, nil, "lan.example", "198.51.100.2 is always refused (" + itself},
		{policy.Open, nil, "inside.example", "203.0.113.200 is always refused (" + itself},
		{policy.Open, nil, "198.51.100.2", itself}, // on the same cable
		{policy.Open, nil, "2001:db8:1::2", itself},
		{policy.Open, nil, "64:ff9b::c633:6402", itself}, // the same in another form
		{policy.Open, nil, "198.51.100.1", itself},
		{policy.Open, nil, "2001:db8:1::1", itself},
		{policy.Open, nil, "203.0.113.200", itself}, // which the host takes, and has on no interface
		{policy.Open, nil, gateway4.String(), private},
		{policy.Open, nil, gateway6.String(), private},
		{policy.Open, []string{"127.0.0.1"}, HostName, "reached the host"},
		{policy.Open, []string{"203.0.113.200"}, "203.0.113.200", "reached the host"},
		{policy.Allow, []string{"ok.example"}, "ok.example", "reached the neighbour"},
		{policy.Allow, []string{"198.51.100.2"}, "198.51.100.2", "reached the neighbour"},
		{policy.Allow, []string{"198.51.100.0/24"}, "198.51.100.2", itself}, // a range names nobody
	} {
		t.Run(fmt.Sprintf("%s %s %s", tt.mode, tt.allow, tt.to), func(t *testing.T) {
			w := newWorld(t, tt.mode, tt.allow...)
			defaults, err := Config{Frames: w.net.cfg.Frames, MAC: guestMAC, Policy: w.net.Policy()}.withDefaults()
			if err != nil {
				t.Fatal(err)
			}
			w.net.cfg.Dial, w.net.cfg.Own, w.net.names.Lookup = defaults.Dial, defaults.Own, defaults.Lookup
			got := w.visit(tt.to)
			if strings.HasPrefix(tt.want, "reached") {
				if !strings.Contains(got, tt.want) {
					t.Errorf("%q, want %q; the log says %q", got, tt.want, w.blocked())
				}
				return
			}
			if strings.Contains(got, "reached") {
				t.Errorf("%q, want nothing", got)
			}
			w.entry(tt.want)
		})
	}
}

func who(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "reached %s\n", name) })
}

// visit has a browser in the guest look at a server.
func (w *world) visit(host string) string {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			if net.ParseIP(host) == nil {
				addrs := w.resolve(host)
				if len(addrs) == 0 {
					return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
				}
				host = addrs[0]
			}
			return w.guest.dial(ctx, network, net.JoinHostPort(host, port))
		},
	}}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return get(client, "http://"+host+"/")
}
