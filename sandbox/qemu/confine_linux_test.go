package qemu_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/qemu"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest/testimage"
)

// fastGuest boots a guest that says hello within seconds, as it starts no
// desktop.
func fastGuest(t *testing.T) sandbox.Config {
	return testimage.WithInit(t, "sandbox/sandboxtest/hostile")
}

// status returns the fields of /proc/PID/status.
func status(pid int) (map[string]string, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fields := make(map[string]string)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields, lines.Err()
}

// children returns the processes of that name that process parent has started.
func children(t *testing.T, parent int, name string) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		st, err := status(pid) // fails for one that has just ended
		if err == nil && st["PPid"] == strconv.Itoa(parent) && strings.HasPrefix(st["Name"], name) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestIntegrationConfinement(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b, err := qemu.New(qemu.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	ears := &sandboxtest.Eavesdropper{Backend: b}
	dir := t.TempDir()
	s, err := sandbox.Start(t.Context(), ears, fastGuest(t), sandbox.StartOptions{Dir: dir, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	pids := children(t, os.Getpid(), "qemu-system")
	if len(pids) != 1 {
		t.Fatalf("%d QEMU processes, want 1", len(pids))
	}
	pid := pids[0]
	st, err := status(pid)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"NoNewPrivs": st["NoNewPrivs"], "Seccomp": st["Seccomp"], "CapEff": st["CapEff"]}
	want := map[string]string{"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0000000000000000"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("process status (-want +got):\n%s", diff)
	}
	if uid := strings.Fields(st["Uid"])[0]; uid == "0" {
		t.Error("QEMU runs as root")
	}

	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		t.Fatal(err)
	}
	if len(args) == 0 || ears.In(string(args)) {
		t.Errorf("the command line holds the boot token, or nothing: %q", args)
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || string(env) != "MALLOC_ARENA_MAX=1\x00" {
		t.Errorf("QEMU has more of an environment than how to allocate memory: %q, %v", env, err)
	}
	if err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		if ears.In(string(data)) {
			t.Errorf("the file %s holds the boot token", path)
		}
		return err
	}); err != nil {
		t.Error(err)
	}

	s.Stop() // nothing logs any more
	if ears.Started() != 1 || log.Len() == 0 || ears.In(log.String()) {
		t.Errorf("the log holds the boot token, or nothing:\n%s", log.String())
	}
}

// A test binary in which this is set is a server: it holds one sandbox, says
// on stdout which step its boot has come to, and lives until it is killed.
const asServer = "VMETTE_TEST_AS_SERVER"

// serverOrders is what such a server is told, on stdin.
type serverOrders struct {
	StateDir string
	Config   sandbox.Config
}

func serve() error {
	var o serverOrders
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return err
	}
	b, err := qemu.New(qemu.Options{})
	if err != nil {
		return err
	}
	m, err := sandbox.NewManager(sandbox.ManagerConfig{Backend: b, StateDir: o.StateDir, Capacity: 1})
	if err != nil {
		return err
	}
	say := func(step string) { fmt.Println(step) }
	if _, err := m.Create(context.Background(), "owner", o.Config, say); err != nil {
		return err
	}
	say("ready")
	select {}
}

// When the server is killed, the kernel kills its machines and what serves their
// shares, and the next server removes what files are left.
func TestIntegrationServerKilled(t *testing.T) {
	cfg := fastGuest(t)
	cfg.Shares = []sandbox.ShareMount{{Tag: "share", Path: t.TempDir()}}
	for _, moment := range []string{"start machine", "start qemu", "talk to qemu", "wait for guest agent", "ready"} {
		t.Run(moment, func(t *testing.T) {
			dir := t.TempDir()
			orders, err := json.Marshal(serverOrders{StateDir: dir, Config: cfg})
			if err != nil {
				t.Fatal(err)
			}
			server := exec.CommandContext(t.Context(), os.Args[0])
			server.Env = append(os.Environ(), asServer+"=1")
			server.Stdin = strings.NewReader(string(orders))
			server.Stderr = t.Output()
			out, err := server.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			reached := false
			for lines := bufio.NewScanner(out); !reached && lines.Scan(); {
				reached = lines.Text() == moment
			}
			machines := children(t, server.Process.Pid, "qemu-system")
			shares := children(t, server.Process.Pid, "virtiofsd")
			for _, pid := range shares {
				shares = append(shares, children(t, pid, "virtiofsd")...) // which does the work
			}
			if moment == "wait for guest agent" && (len(machines) != 1 || len(shares) != 2) {
				t.Errorf("%d machines run and %d processes for a share, want 1 and 2", len(machines), len(shares))
			}
			var ended []unix.PollFd
			for _, pid := range append(machines, shares...) {
				fd, err := unix.PidfdOpen(pid, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer unix.Close(fd)
				ended = append(ended, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
			}
			server.Process.Kill()
			server.Wait()
			if !reached {
				t.Fatalf("the server did not come to %q", moment)
			}

			for i := range ended {
				n, err := unix.Poll(ended[i:i+1], int((5 * time.Second).Milliseconds()))
				if err != nil || n != 1 {
					t.Errorf("a process outlives its server: %d, %v", n, err)
				}
			}
			b := backend(t, qemu.Options{})
			next, err := sandbox.NewManager(sandbox.ManagerConfig{Backend: b, StateDir: dir, Capacity: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer next.Close()
			if left, _ := filepath.Glob(filepath.Join(dir, "server-*")); len(left) != 1 {
				t.Errorf("server directories %v, want only the next server's", left)
			}
		})
	}
}
