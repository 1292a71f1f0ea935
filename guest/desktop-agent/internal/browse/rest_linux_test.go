package browse

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vmette/vmette-mcp/desktop"
)

// newGroup makes a control group for browsers. Where the tests run there may be no
// such groups, or none of theirs; in a guest there are.
func newGroup(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[2] != "cgroup2" {
			continue
		}
		dir, err := os.MkdirTemp(fields[1], "browse-test-")
		if err != nil {
			t.Skipf("control groups cannot be made here: %v", err)
		}
		t.Cleanup(func() {
			for _, name := range []string{filepath.Join(dir, "browser"), dir} {
				if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Error(err)
				}
			}
		})
		return dir
	}
	t.Skip("there are no control groups of version 2 here")
	return ""
}

// A step of a test, after which the browser stands still or does not.
type step struct {
	name  string
	do    func() error
	still bool
}

func TestRest(t *testing.T) {
	group := newGroup(t)
	b := newBrowser(t, "exec xterm -e sleep 600")
	b.Cgroup = group
	if _, err := b.Open(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	// A group with processes cannot be removed.
	t.Cleanup(func() {
		if err := endAll(b); err != nil {
			t.Error(err)
		}
	})
	rest := func() error { return b.Rest(t.Context()) }
	pause := func() error { b.Pause(); return nil }
	for _, s := range []step{
		{"rest", rest, true},
		{"wake", b.Wake, false},
		{"pause", pause, true},
		{"continue", b.Continue, false},
		{"rest", rest, true},
		{"pause a browser that rests", pause, true},
		{"continue a browser that rests", b.Continue, true},
		{"wake", b.Wake, false},
		{"pause", pause, true},
		{"wake one that is paused", b.Wake, false},
	} {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		frozen, err := os.ReadFile(filepath.Join(b.groupPath(), "cgroup.freeze"))
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.HasPrefix(frozen, []byte("1")); got != s.still {
			t.Errorf("after %s it stands still: %v", s.name, got)
		}
		pid := -1
		b.mu.Lock()
		for cmd := range b.live {
			pid = cmd.Process.Pid
		}
		b.mu.Unlock()
		if got := slices.Contains(b.Still(), pid); got != s.still {
			t.Errorf("after %s its processes are told to stand still: %v", s.name, got)
		}
	}
}

// endAll kills the browsers, and returns when their group is empty.
func endAll(b *Browser) error {
	if err := writeTo(filepath.Join(b.groupPath(), "cgroup.kill"), "1"); err != nil {
		return err
	}
	b.runs.Wait()
	for {
		list, err := os.ReadFile(filepath.Join(b.groupPath(), "cgroup.procs"))
		if err != nil || len(list) == 0 {
			return err
		}
	}
}

func TestRestWithoutAControlGroup(t *testing.T) {
	for name, b := range map[string]*Browser{"no group": {}, "no browser": {Cgroup: t.TempDir()}} {
		var e *desktop.Error
		if err := b.Rest(t.Context()); !errors.As(err, &e) || e.Code != desktop.CodeUnavailable {
			t.Errorf("%s: Rest: %v", name, err)
		}
		b.Pause()
		if err := errors.Join(b.Continue(), b.Wake()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if pids := b.Still(); pids != nil {
			t.Errorf("%s: %v stand still", name, pids)
		}
	}
}
