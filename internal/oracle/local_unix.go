//go:build unix

package oracle

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
)

// Local is a [Host]: this machine.
type Local struct {
	Display string // such as ":7"
	Dir     string // where directories are made; empty for the system's temporary one
}

// Start implements [Host].
func (l Local) Start(_ context.Context, files fs.FS, args ...string) (io.ReadCloser, error) {
	dir, err := os.MkdirTemp(l.Dir, "oracle-")
	if err != nil {
		return nil, err
	}
	p, err := l.start(dir, files, args)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return p, nil
}

func (l Local) start(dir string, files fs.FS, args []string) (*process, error) {
	if err := os.CopyFS(dir, files); err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir, stdout: read}
	p.cmd = exec.Command(python, args...)
	p.cmd.Dir = dir
	p.cmd.Env = append(append(os.Environ(), "DISPLAY="+l.Display, "HOME="+dir, "DBUS_SESSION_BUS_ADDRESS=disabled:"), environment...)
	p.cmd.Stdout, p.cmd.Stderr = write, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = p.cmd.Start()
	write.Close()
	if err != nil {
		read.Close()
		return nil, err
	}
	return p, nil
}

// process is a program on this machine.
type process struct {
	dir    string
	cmd    *exec.Cmd
	stdout *os.File
	log    bytes.Buffer // read it only when the process has ended
}

// Read reads the program's standard output.
func (p *process) Read(b []byte) (int, error) {
	n, err := p.stdout.Read(b)
	if err == io.EOF {
		err = fmt.Errorf("it has ended: %w", err)
	}
	return n, err
}

// Close implements [io.Closer]. It waits until whoever could write to the
// directory is gone.
func (p *process) Close() error {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended by itself
	_ = p.cmd.Wait()                                      // killed
	p.stdout.Close()
	return os.RemoveAll(p.dir)
}
