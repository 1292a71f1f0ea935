package sandbox_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmette/vmette-mcp/sandbox"
	"github.com/vmette/vmette-mcp/sandbox/sandboxtest"
)

// either is a guest that does what its machine is for.
func either(ctx context.Context, g *sandboxtest.Guest) error {
	if g.Boot.Workload != nil {
		return sandboxtest.Command(ctx, g)
	}
	return sandboxtest.Desktop(ctx, g)
}

func TestManagerRuns(t *testing.T) {
	dir := t.TempDir()
	m, b := manager(t, dir, func(c *sandbox.ManagerConfig) { c.Backend = &sandboxtest.Backend{Guest: either} })
	var steps []string
	out, err := m.Run(t.Context(), oneShot("cat"), sandbox.RunOptions{
		Stdin:  strings.NewReader("typed"),
		OnStep: func(step string) { steps = append(steps, step) },
	})
	if err != nil || out.ExitCode != 0 || string(out.Stdout) != "typed" || out.Isolation != sandbox.IsolationEmulated {
		t.Errorf("%+v, %v", out, err)
	}
	if len(steps) == 0 {
		t.Error("no step of the boot was told")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*", "sandbox-*")); err != nil || len(left) > 0 || b.Running() != 0 {
		t.Errorf("%d machines and %v are left, %v", b.Running(), left, err)
	}
	if list := m.List("alice"); len(list) != 0 {
		t.Errorf("it is in a list: %v", list)
	}
}

// A command takes the room of a desktop while it runs, and no longer.
func TestManagerRunTakesRoom(t *testing.T) {
	m, _ := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Backend = &sandboxtest.Backend{Guest: either} })
	create(t, m, "alice").Release()
	ctx, cancel := context.WithCancel(t.Context())
	in, typing := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := m.Run(ctx, oneShot("cat"), sandbox.RunOptions{Stdin: in})
		ended <- err
	}()
	if _, err := io.WriteString(typing, "it is up"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(t.Context(), oneShot("exit", "0"), sandbox.RunOptions{}); !errors.Is(err, sandbox.ErrCapacity) {
		t.Errorf("a third sandbox of two: %v, want ErrCapacity", err)
	}
	cancel()
	typing.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v, want the cause of its context", err)
	}
	if _, err := m.Run(t.Context(), oneShot("exit", "0"), sandbox.RunOptions{}); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// A manager that is closed ends commands, while they boot as well.
func TestManagerCloseEndsRuns(t *testing.T) {
	for name, guest := range map[string]func(context.Context, *sandboxtest.Guest) error{
		"running": sandboxtest.Command,
		"booting": func(ctx context.Context, _ *sandboxtest.Guest) error { <-ctx.Done(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			began := make(chan bool, 1)
			b := &sandboxtest.Backend{Guest: func(ctx context.Context, g *sandboxtest.Guest) error {
				began <- true
				return guest(ctx, g)
			}}
			m, _ := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Backend = b })
			ended := make(chan error, 1)
			go func() {
				_, err := m.Run(t.Context(), oneShot("sleep"), sandbox.RunOptions{})
				ended <- err
			}()
			<-began
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; !errors.Is(err, sandbox.ErrStopped) {
				t.Errorf("ended with %v, want ErrStopped", err)
			}
			if _, err := m.Run(t.Context(), oneShot("sleep"), sandbox.RunOptions{}); !errors.Is(err, sandbox.ErrStopped) {
				t.Errorf("after Close: %v, want ErrStopped", err)
			}
		})
	}
}

func TestManagerRunTimeout(t *testing.T) {
	m, _ := manager(t, t.TempDir(), func(c *sandbox.ManagerConfig) { c.Backend = &sandboxtest.Backend{Guest: either} })
	cfg := oneShot("sleep")
	cfg.Timeout = 10 * time.Millisecond
	if out, err := m.Run(t.Context(), cfg, sandbox.RunOptions{}); !errors.Is(err, sandbox.ErrTimeout) || errors.Is(err, sandbox.ErrStartFailed) || out.Took < cfg.Timeout {
		t.Errorf("%+v, %v; want ErrTimeout of a command", out, err)
	}
	if _, err := m.Run(t.Context(), oneShot(), sandbox.RunOptions{}); !errors.Is(err, sandbox.ErrInvalidConfig) {
		t.Errorf("no command: %v, want ErrInvalidConfig", err)
	}
}

// What a process leaves that dies, another one removes.
func TestOpenState(t *testing.T) {
	parent := t.TempDir()
	dead := filepath.Join(parent, "server-dead", "sandbox-1")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, done, err := sandbox.OpenState(parent, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	other, doneOther, err := sandbox.OpenState(parent, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a dead process's directory is still there: %v", err)
	}
	for _, d := range []string{dir, other} {
		if _, err := os.Stat(d); err != nil {
			t.Errorf("a live one's directory: %v", err)
		}
	}
	if err := errors.Join(done(), doneOther()); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(parent, "server-*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}
