package workload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/guest/desktop-agent/internal/machine"
)

func TestEnvironment(t *testing.T) {
	user := machine.User{Home: "/root"}
	tests := []struct {
		name string
		w    desktop.Workload
		want []string
	}{
		{"by itself", desktop.Workload{}, []string{"PATH=" + defaultPath, "HOME=/root", "HOSTNAME=box"}},
		{"with a terminal", desktop.Workload{Terminal: &desktop.TerminalSize{Columns: 80, Rows: 24}},
			[]string{"PATH=" + defaultPath, "HOME=/root", "HOSTNAME=box", "TERM=xterm"}},
		{"what the host says wins, and the last of it", desktop.Workload{Env: []string{"HOME=/a", "X=1", "HOME=/b", "X="}},
			[]string{"PATH=" + defaultPath, "HOME=/b", "HOSTNAME=box", "X="}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, environment(tt.w, user, "box")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLookup(t *testing.T) {
	root := t.TempDir()
	for name, mode := range map[string]os.FileMode{"bin/sh": 0o755, "usr/bin/tool": 0o755, "bin/tool": 0o644, "srv/run": 0o755, "bin/text": 0o644} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=/bin:/usr/bin:."}
	tests := []struct {
		name, program, want string
		code                int
	}{
		{"in PATH", "sh", "/bin/sh", 0},
		{"the first that can be executed", "tool", "/usr/bin/tool", 0},
		{"in the working directory, which PATH names", "run", "/srv/run", 0},
		{"by its path", "/usr/bin/tool", "/usr/bin/tool", 0},
		{"by a path from the working directory", "./run", "/srv/run", 0},
		{"nowhere", "nosuch", "", exitMissing},
		{"no such path", "/bin/nosuch", "", exitMissing},
		{"not executable", "text", "", exitCannot},
		{"a directory", "/usr/bin", "", exitCannot},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := lookup(root, tt.program, "/srv", env)
			code := 0
			var failed *notRun
			if errors.As(err, &failed) {
				code = failed.code
			}
			if got != tt.want || code != tt.code {
				t.Errorf("got %q, %v with code %d; want %q and code %d", got, err, code, tt.want, tt.code)
			}
		})
	}
}
