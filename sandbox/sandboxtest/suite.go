package sandboxtest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// Suite checks that a backend behaves as everything above it expects. cfg
// boots an image with our guest agent, a shell and password-less sudo.
func Suite(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	t.Run("Desktop", func(t *testing.T) { testDesktop(t, b, cfg) })
	t.Run("AgentKilled", func(t *testing.T) { testAgentKilled(t, b, cfg) })
	t.Run("TwoAtOnce", func(t *testing.T) { testTwoAtOnce(t, b, cfg) })
	t.Run("PowerOff", func(t *testing.T) { testPowerOff(t, b, cfg) })
	t.Run("Panic", func(t *testing.T) { testPanic(t, b, cfg) })
	t.Run("FailedStart", func(t *testing.T) { testFailedStart(t, b, cfg) })
	if s, ok := b.(sandbox.Snapshotter); ok {
		t.Run("Snapshots", func(t *testing.T) { testSnapshots(t, s, cfg) })
		t.Run("Checkpoints", func(t *testing.T) { testCheckpoints(t, s, cfg) })
	}
	t.Run("OneShot", func(t *testing.T) { testOneShot(t, b, cfg) })
	t.Run("Roots", func(t *testing.T) { testRoots(t, b, cfg) })
	t.Run("Shares", func(t *testing.T) { testShares(t, b, cfg) })
	t.Run("Dial", func(t *testing.T) { testDial(t, b, cfg) })
	t.Run("Disks", func(t *testing.T) { testDisks(t, b, cfg) })
	t.Run("StopWhileBooting", func(t *testing.T) { testStopWhileBooting(t, b, cfg) })
}

// boot boots cfg and stops it when the test ends.
func boot(t *testing.T, b sandbox.Backend, cfg sandbox.Config) *sandbox.Session {
	t.Helper()
	s, err := sandbox.Start(t.Context(), b, cfg, sandbox.StartOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func do(t *testing.T, s *sandbox.Session, a desktop.Action, o desktop.Observe) *desktop.Result {
	t.Helper()
	res, err := s.Do(t.Context(), a, o)
	if err != nil {
		t.Fatalf("%s: %v\nconsole:\n%s", a.Name(), err, s.Console())
	}
	return res
}

// shell runs a command that must succeed and returns its output.
func shell(t *testing.T, s *sandbox.Session, command string) string {
	t.Helper()
	res := do(t, s, desktop.Exec{Command: command}, desktop.Observe{})
	if res.Exec.ExitCode != 0 {
		t.Fatalf("%s: exit code %d, stderr %q", command, res.Exec.ExitCode, res.Stderr)
	}
	return strings.TrimSpace(string(res.Stdout))
}

// waitEnd returns how the session ended, which it must within a minute.
func waitEnd(t *testing.T, s *sandbox.Session) sandbox.SessionEnd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	end, err := s.Wait(ctx)
	if err != nil {
		t.Fatalf("the session did not end: %v\nconsole:\n%s", err, s.Console())
	}
	return end
}

func testDesktop(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	ears := &Eavesdropper{Backend: b}
	s := boot(t, ears, cfg)
	want := cfg.WithDefaults()

	do(t, s, desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveSettled})
	p, ok := s.Screen().Picture(true)
	if !ok || p.Size != want.Screen {
		t.Errorf("picture of %v, %v; want one of %v", p.Size, ok, want.Screen)
	}
	for _, at := range []desktop.Point{{X: 0, Y: 0}, {X: want.Screen.Width - 1, Y: want.Screen.Height - 1}} {
		res := do(t, s, desktop.Move{To: at}, desktop.Observe{Mode: desktop.ObserveNow})
		if res.X == nil || *res.X != at.X || *res.Y != at.Y {
			t.Errorf("moved to %v: the pointer is at %v, %v", at, res.X, res.Y)
		}
	}

	if got := shell(t, s, "id -u"); got != "1000" {
		t.Errorf("exec runs as user %s, want 1000", got)
	}
	if got := shell(t, s, "sudo -n id -u"); got != "0" {
		t.Errorf("sudo runs as user %s, want 0", got)
	}
	if got := shell(t, s, "nproc"); got != strconv.Itoa(want.CPUs) {
		t.Errorf("%s processors, want %d", got, want.CPUs)
	}
	askClock(t, s)
	// The processes of the desktop are the model's to look at.
	for _, where := range []string{"cat /proc/cmdline", "cat /proc/[0-9]*/cmdline", "sudo sh -c 'cat /proc/[0-9]*/environ'", "dmesg || sudo dmesg"} {
		if out := shell(t, s, where+" | tr '\\0' '\\n'"); out == "" || ears.In(out) {
			t.Errorf("%s: %d bytes hold the boot token, or there are none", where, len(out))
		}
	}
	if ears.In(s.Console()) {
		t.Error("the console holds the boot token")
	}
	shell(t, s, "echo to the root file system | sudo tee /written && test -s /written")

	if len(s.Console()) == 0 {
		t.Error("nothing was kept of the console")
	}
	ready := false
	for _, p := range s.BootPhases() {
		ready = ready || p.Name == "guest agent ready"
		t.Logf("%-5s %8d ms  %s", p.Side, p.At.Milliseconds(), p.Name)
	}
	if !ready {
		t.Error("the phases of the boot do not tell when the guest agent was ready")
	}

	start := time.Now()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(s.Stop)
	}
	wg.Wait()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("Stop took %v, want at most 2 s", took)
	}
	if end := waitEnd(t, s); end.Reason != sandbox.EndStopped {
		t.Errorf("end %+v, want %s", end, sandbox.EndStopped)
	}
	if _, err := s.Do(t.Context(), desktop.CursorPosition{}, desktop.Observe{}); !errors.Is(err, sandbox.ErrStopped) {
		t.Errorf("Do after Stop: got %v, want ErrStopped", err)
	}
}

// testAgentKilled checks that a guest agent that died comes back, and that the
// next answer says so.
func testAgentKilled(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	s := boot(t, b, cfg)
	killAgent(t, s)
	res := do(t, s, desktop.CursorPosition{}, desktop.Observe{})
	if len(res.Notices) == 0 || !strings.Contains(res.Notices[0], "agent was restarted") {
		t.Errorf("notices after the restart: %q", res.Notices)
	}
	do(t, s, desktop.Screenshot{}, desktop.Observe{Mode: desktop.ObserveNow})
	if p, ok := s.Screen().Picture(true); !ok || p.Size != s.Config().Screen {
		t.Errorf("picture after the restart: %v, %v", p.Size, ok)
	}
}

// killAgent kills the guest agent by an action, which therefore gets no answer.
func killAgent(t *testing.T, s *sandbox.Session) {
	t.Helper()
	const kill = `for p in /proc/[0-9]*; do
		if [ $p != /proc/1 ] && [ "$(cat $p/comm)" = desktop-agent ]; then kill -9 ${p#/proc/}; fi
	done`
	_, err := s.Do(t.Context(), desktop.Exec{Command: "sudo sh -c '" + kill + "'"}, desktop.Observe{})
	var e *desktop.Error
	if !errors.As(err, &e) || e.Code != desktop.CodeUnknown {
		t.Fatalf("the action that killed the agent: got %v, want code unknown", err)
	}
}

// testTwoAtOnce checks that two sandboxes share nothing that they should not.
func testTwoAtOnce(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	var pair [2]*sandbox.Session
	var errs [2]error
	var wg sync.WaitGroup
	dir := t.TempDir()
	for i := range pair {
		wg.Go(func() { pair[i], errs[i] = sandbox.Start(t.Context(), b, cfg, sandbox.StartOptions{Dir: dir}) })
	}
	wg.Wait()
	for i, s := range pair {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		defer s.Stop()
	}
	shell(t, pair[0], "echo mine > ~/file")
	shell(t, pair[1], "test ! -e ~/file")
	if a, b := shell(t, pair[0], "cat /etc/machine-id"), shell(t, pair[1], "cat /etc/machine-id"); a == b {
		t.Errorf("both have machine id %s", a)
	}
	const random = "head -c 16 /dev/urandom | od -An -tx1"
	if a, b := shell(t, pair[0], random), shell(t, pair[1], random); a == b {
		t.Errorf("both draw the random bytes %s", a)
	}
	pair[0].Stop()
	shell(t, pair[1], "true") // the end of one is nothing to the other
}

func testPowerOff(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	s := boot(t, b, cfg)
	s.Do(t.Context(), desktop.Exec{Command: "echo o | sudo tee /proc/sysrq-trigger"}, desktop.Observe{}) // its answer may not arrive any more
	if end := waitEnd(t, s); end.Reason != sandbox.EndExited || end.Err != nil {
		t.Errorf("end %+v, want %s", end, sandbox.EndExited)
	}
}

func testPanic(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	s := boot(t, b, cfg)
	s.Do(t.Context(), desktop.Exec{Command: "echo c | sudo tee /proc/sysrq-trigger"}, desktop.Observe{})
	if end := waitEnd(t, s); end.Reason != sandbox.EndError || end.Err == nil {
		t.Errorf("end %+v, want %s", end, sandbox.EndError)
	}
	if !strings.Contains(s.Console(), "Kernel panic - not syncing: sysrq triggered crash") {
		t.Errorf("the console does not tell of the panic:\n%s", s.Console())
	}
}

// testFailedStart checks that a start that fails says at which step, and leaves
// nothing.
func testFailedStart(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("garbage "), 1<<16), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*sandbox.Config)
		is     error
		says   string
	}{
		{"no such kernel", func(c *sandbox.Config) { c.Kernel += ".none" }, os.ErrNotExist, ".none"},
		{"no such disk", func(c *sandbox.Config) { c.Root.Path += ".none" }, os.ErrNotExist, ".none"},
		{"a kernel that is none", func(c *sandbox.Config) { c.Kernel = garbage }, nil, "kernel"},
		{"no initramfs", func(c *sandbox.Config) { c.Initramfs = empty }, nil, "console"},
		{"a disk that is none", func(c *sandbox.Config) { c.Root.Path = garbage }, nil, "console"},
		{"no driver for the disk", func(c *sandbox.Config) { c.Initramfs, c.Root.Format = withoutDrivers(t, c.Initramfs), "erofs" }, nil, "load driver erofs"},
		{"no time", func(c *sandbox.Config) { c.BootTimeout = time.Second }, sandbox.ErrTimeout, "wait for guest agent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := cfg
			c.BootTimeout = 2 * time.Minute
			tt.change(&c)
			dir := t.TempDir()
			ears := &Eavesdropper{Backend: b}
			s, err := sandbox.Start(t.Context(), ears, c, sandbox.StartOptions{Dir: dir})
			if err == nil {
				s.Stop()
				t.Fatal("it started")
			}
			t.Log(err)
			if !errors.Is(err, sandbox.ErrStartFailed) {
				t.Errorf("error does not match ErrStartFailed: %v", err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error does not match %q: %v", tt.is, err)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error does not say %q: %v", tt.says, err)
			}
			if ears.Started() != 1 || ears.In(err.Error()) {
				t.Errorf("the error holds the boot token: %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("left in the directory: %v, %v", left, err)
			}
		})
	}
}

// withoutDrivers returns an initramfs like that in file, but without drivers.
func withoutDrivers(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.NewBuffer(append(data, make([]byte, -len(data)&3)...))
	w := cpio.Newc.Writer(out)
	if err := cpio.WriteRecords(w, []cpio.Record{cpio.StaticFile(desktop.DriversFile, "", 0o644)}); err != nil {
		t.Fatal(err)
	}
	if err := cpio.WriteTrailer(w); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "initramfs")
	if err := os.WriteFile(name, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// testStopWhileBooting gives a boot up at each of its steps.
func testStopWhileBooting(t *testing.T, b sandbox.Backend, cfg sandbox.Config) {
	dir := t.TempDir()
	giveUp := func(at string) (steps []string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s, err := sandbox.Start(ctx, b, cfg, sandbox.StartOptions{Dir: dir, OnStep: func(step string) {
			steps = append(steps, step)
			if step == at {
				cancel()
			}
		}})
		if err == nil {
			s.Stop()
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("given up at %q: got %v, want context.Canceled", at, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("given up at %q: left in the directory: %v, %v", at, left, err)
		}
		return steps
	}
	const last = "wait for guest agent"
	giveUp(last) // a backend's first start may have steps of its own
	for _, step := range giveUp(last) {
		giveUp(step)
	}
}
