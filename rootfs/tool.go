package rootfs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// tool is a program that a build runs. All processes that it starts end with
// it: when the context ends, and when this process dies in whatever way.
type tool struct {
	name   string
	args   []string
	env    []string
	stdin  io.Reader
	stdout io.Writer         // nil: lines like those of stderr
	onLine func(line string) // called for each line of stderr; may be nil
}

// ToolError reports a program that failed.
type ToolError struct {
	Tool string   // its name
	Tail []string // the last lines that it wrote
	Err  error    // how it ended
}

// Error names the program, how it ended, and the last lines that it wrote.
func (e *ToolError) Error() string {
	s := fmt.Sprintf("run %s: %v", e.Tool, e.Err)
	if len(e.Tail) > 0 {
		s += "; its last lines:\n  " + strings.Join(e.Tail, "\n  ")
	}
	return s
}

// Unwrap returns how the program ended.
func (e *ToolError) Unwrap() error { return e.Err }

// run runs the program to its end. When ctx ends first, the error is that of
// ctx, and no process of the program is left.
func (t *tool) run(ctx context.Context) error {
	// The kernel takes the thread that started a child for its parent.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	if err := ctx.Err(); err != nil {
		return err
	}
	guard, err := startGuard()
	if err != nil {
		return err
	}
	defer guard.stop()
	lines := &lineWriter{onLine: t.onLine}
	cmd := exec.Command(t.name, t.args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = t.env, t.stdin, t.stdout, lines
	if cmd.Stdout == nil {
		cmd.Stdout = lines
	}
	cmd.SysProcAttr = childOf(&syscall.SysProcAttr{Setpgid: true, Pgid: guard.group})
	if err := cmd.Start(); err != nil {
		return &ToolError{Tool: t.name, Err: err}
	}
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		guard.kill()
		close(killed)
	})
	// Wait returns when all processes of the group have closed their output.
	err = cmd.Wait()
	if !stop() {
		<-killed
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return &ToolError{Tool: t.name, Tail: lines.tail, Err: err}
	}
	return nil
}

// guard is a small process that leads the process group of a tool, and kills it
// when this process dies: a parent-death signal reaches only the first process
// of a group. It is there before the first of the others.
type guard struct {
	cmd   *exec.Cmd
	life  io.Closer // the guard acts when it is closed
	group int
}

func startGuard() (*guard, error) {
	cmd := exec.Command("sh", "-c", "read -r _; kill -s KILL 0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // away from a ^C, too
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start guard: %w", err)
	}
	return &guard{cmd: cmd, life: life, group: cmd.Process.Pid}, nil
}

// kill kills the group.
func (g *guard) kill() { _ = syscall.Kill(-g.group, syscall.SIGKILL) }

// stop ends the guard alone. Until then the group's number is no other's.
func (g *guard) stop() {
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
	_ = g.life.Close()
}

// Bounds of what is kept of a program's output.
const (
	tailLines   = 20
	maxLineSize = 4 << 10
)

// lineWriter splits what is written into lines and keeps the last ones. It is
// used by one goroutine: exec copies stderr, and stdout when it is the same.
type lineWriter struct {
	onLine func(string)
	part   []byte
	tail   []string
}

// Write implements [io.Writer]; it always succeeds.
func (w *lineWriter) Write(b []byte) (int, error) {
	n := len(b)
	for {
		i := bytes.IndexAny(b, "\r\n")
		if i < 0 {
			w.keep(b)
			return n, nil
		}
		w.keep(b[:i])
		w.flush()
		b = b[i+1:]
	}
}

func (w *lineWriter) keep(b []byte) {
	w.part = append(w.part, b[:min(len(b), maxLineSize-len(w.part))]...)
}

func (w *lineWriter) flush() {
	line := strings.ToValidUTF8(string(w.part), "\uFFFD")
	w.part = w.part[:0]
	if strings.TrimSpace(line) == "" {
		return
	}
	if len(w.tail) == tailLines {
		w.tail = append(w.tail[:0], w.tail[1:]...)
	}
	w.tail = append(w.tail, line)
	if w.onLine != nil {
		w.onLine(line)
	}
}
