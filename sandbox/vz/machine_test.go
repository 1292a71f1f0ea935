package vz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// bootFake starts a sandbox on the fake framework.
func bootFake(t *testing.T, hv *fakeHypervisor, cfg sandbox.Config) *sandbox.Session {
	t.Helper()
	s, err := sandbox.Start(t.Context(), newBackend(hv, "arm64", Options{}), cfg, sandbox.StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// click has the desktop do something, and reports whether it did.
func click(t *testing.T, s *sandbox.Session) {
	t.Helper()
	at := desktop.Point{X: 40, Y: 30}
	res, err := s.Do(t.Context(), desktop.Click{Button: desktop.Left, Count: 1, At: &at}, desktop.Observe{})
	if err != nil {
		t.Fatal(err)
	}
	if *res.X != at.X || *res.Y != at.Y {
		t.Errorf("the pointer is at (%d, %d), want %v", *res.X, *res.Y, at)
	}
}

func ended(t *testing.T, s *sandbox.Session) sandbox.SessionEnd {
	t.Helper()
	end, err := s.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func TestDesktop(t *testing.T) {
	hv := new(fakeHypervisor)
	s := bootFake(t, hv, imageConfig(t))
	click(t, s)
	if got := s.Isolation(); got != sandbox.IsolationVZ {
		t.Errorf("isolation %s, want %s", got, sandbox.IsolationVZ)
	}
	v := hv.last()
	if v.boot.Token == "" || strings.Contains(v.spec.cmdline, v.boot.Token) {
		t.Errorf("the command line is %q, the token %q", v.spec.cmdline, v.boot.Token)
	}
	if left, err := os.ReadDir(filepath.Dir(v.spec.initramfs)); err != nil || len(left) > 0 {
		t.Errorf("in the machine's directory while it runs: %v, %v; want nothing that holds the token", left, err)
	}
	v.out.Write([]byte("vmette: phase=root ms=1\nhello\n"))
	s.Stop()
	if end := ended(t, s); end.Reason != sandbox.EndStopped {
		t.Errorf("end %+v, want %s", end, sandbox.EndStopped)
	}
	if !strings.Contains(s.Console(), "hello") {
		t.Errorf("the console holds %q", s.Console())
	}
	if diff := cmp.Diff([]string{"create", "start", "listen", "stop"}, hv.calls); diff != "" {
		t.Errorf("calls of the framework (-want +got):\n%s", diff)
	}
}

// TestPackedKernel boots a kernel that the boot loader does not take as it is.
func TestPackedKernel(t *testing.T) {
	hv := new(fakeHypervisor)
	cfg := imageConfig(t)
	if err := os.WriteFile(cfg.Kernel, zbootImage("zstd", zstandard(arm64Image("kernel"))), 0o600); err != nil {
		t.Fatal(err)
	}
	s := bootFake(t, hv, cfg)
	click(t, s)
	kernel := hv.last().spec.kernel
	if kernel == cfg.Kernel {
		t.Errorf("%s was booted as it is", kernel)
	}
	if _, err := os.Stat(kernel); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the unpacked kernel is left: %v", err)
	}
}

func TestEnds(t *testing.T) {
	const booted = "vmette: phase=root ms=1234\r\n"
	tests := []struct {
		name string
		do   func(*fakeVM)
		want sandbox.EndReason
		says string
	}{
		{"power off", func(v *fakeVM) { v.ended <- nil }, sandbox.EndExited, ""},
		{"given up by the framework", func(v *fakeVM) { v.ended <- errBroken }, sandbox.EndError, errBroken.Error()},
		{"restart", func(v *fakeVM) { v.out.Write([]byte(booted + "panic\n" + booted)) }, sandbox.EndError, "restarted itself"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hv := new(fakeHypervisor)
			s := bootFake(t, hv, imageConfig(t))
			tt.do(hv.last())
			end := ended(t, s)
			if end.Reason != tt.want || (end.Err != nil) != (tt.says != "") || !strings.Contains(end.String(), tt.says) {
				t.Errorf("end %+v, want %s and %q", end, tt.want, tt.says)
			}
		})
	}
}

func TestStartFails(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fakeHypervisor, *sandbox.Config)
		is     error
		says   string
	}{
		{"no such kernel", func(_ *fakeHypervisor, c *sandbox.Config) { c.Kernel += ".none" }, fs.ErrNotExist, "prepare kernel"},
		{"no such initramfs", func(_ *fakeHypervisor, c *sandbox.Config) { c.Initramfs += ".none" }, fs.ErrNotExist, "write initramfs"},
		{"no such disk", func(_ *fakeHypervisor, c *sandbox.Config) { c.Root.Path += ".none" }, fs.ErrNotExist, "root.none"},
		{"too many CPUs", func(_ *fakeHypervisor, c *sandbox.Config) { c.CPUs = 64 }, sandbox.ErrInvalidConfig, "64 CPUs"},
		{"no framework", func(h *fakeHypervisor, _ *sandbox.Config) {
			h.unusable = fmt.Errorf("%w: this is no Mac", sandbox.ErrUnsupported)
		}, sandbox.ErrUnsupported, "this is no Mac"},
		{"no machine", func(h *fakeHypervisor, _ *sandbox.Config) { h.failing = "create" }, sandbox.ErrStartFailed, "create machine: create fails"},
		{"no boot", func(h *fakeHypervisor, _ *sandbox.Config) { h.failing = "start" }, sandbox.ErrStartFailed, "boot: start fails"},
		{"no vsock", func(h *fakeHypervisor, _ *sandbox.Config) { h.failing = "listen" }, sandbox.ErrStartFailed, "listen on vsock"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			hv, cfg, dir := new(fakeHypervisor), imageConfig(t), t.TempDir()
			tt.change(hv, &cfg)
			ears := &sandboxtest.Eavesdropper{Backend: newBackend(hv, "arm64", Options{})}
			s, err := sandbox.Start(t.Context(), ears, cfg, sandbox.StartOptions{Dir: dir})
			if err == nil {
				s.Stop()
				t.Fatal("it started")
			}
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one that matches %q and says %q", err, tt.is, tt.says)
			}
			if ears.In(err.Error()) {
				t.Errorf("the error holds the boot token: %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left in the directory: %v, %v", left, err)
			}
		})
	}
}

// TestStopWhileBooting gives a boot up at each of its steps.
func TestStopWhileBooting(t *testing.T) {
	cfg, dir := imageConfig(t), t.TempDir()
	giveUp := func(at string) (steps []string) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s, err := sandbox.Start(ctx, newBackend(new(fakeHypervisor), "arm64", Options{}), cfg, sandbox.StartOptions{Dir: dir, OnStep: func(step string) {
			steps = append(steps, step)
			if step == at {
				cancel()
			}
		}})
		if err == nil {
			s.Stop()
		}
		// The last step may be done before it notices.
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("given up at %q: %v", at, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("given up at %q: left in the directory: %v, %v", at, left, err)
		}
		return steps
	}
	all := giveUp("")
	want := []string{"make directory", "start machine", "prepare kernel", "write initramfs", "open disks", "find shares", "open network", "create machine", "boot", "listen on vsock", "wait for guest agent"}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	for i, step := range all {
		if got := giveUp(step); len(got) != i+1 {
			t.Errorf("given up at %q: it went on to %q", step, got)
		}
	}
}

// TestFlood has a guest dial more often than anybody accepts.
func TestFlood(t *testing.T) {
	hv := new(fakeHypervisor)
	cfg := imageConfig(t)
	boot := desktop.Boot{Token: "secret", Port: 5000, Root: desktop.Root{Device: "/dev/vda", Type: "squashfs"}, Screen: cfg.Screen}
	m, err := newBackend(hv, "arm64", Options{}).Start(t.Context(), cfg, boot, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	v := hv.last()
	v.cancel() // its guest dials again whenever it is refused
	v.wg.Wait()
	refused := 0
	const flood = 5 * maxWaiting
	for range flood {
		host, guest := net.Pipe()
		v.dialled <- host
		defer guest.Close()
	}
	// What waits is as it was; all else has been closed. One more may be with the
	// pump.
	for range maxWaiting {
		c, err := m.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for {
		c, err := m.Accept(ctx)
		if errors.Is(err, context.Canceled) {
			break
		}
		refused++
		c.Close()
	}
	if refused > 1 {
		t.Errorf("%d more than %d connections waited", refused, maxWaiting)
	}
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := m.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after the end: %v", err)
	}
}

func TestConsoleKeepsTheLast(t *testing.T) {
	hv := new(fakeHypervisor)
	s := bootFake(t, hv, imageConfig(t))
	v := hv.last()
	line := append(bytes.Repeat([]byte("x"), 1023), '\n')
	for range 100 {
		v.out.Write(line)
	}
	v.out.Write([]byte("the end\n"))
	s.Stop()
	if got := s.Console(); !strings.HasSuffix(got, "the end") {
		t.Errorf("the console ends with %q", got[max(0, len(got)-20):])
	}
}
