package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/vmette/vmette-mcp/desktop"
	"github.com/vmette/vmette-mcp/sandbox"
)

// tty is the terminal of this process, as long as it is a command's in a sandbox:
// what is typed goes there as it is.
type tty struct {
	fd  int
	old *term.State
}

// openTerminal takes the terminal that in is.
func openTerminal(in io.Reader) (*tty, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, fmt.Errorf("%w: -t needs a terminal, and standard input is none: leave it out", errUsage)
	}
	old, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("take the terminal: %w", err)
	}
	return &tty{fd: int(f.Fd()), old: old}, nil
}

// Close gives the terminal back.
func (t *tty) Close() error { return term.Restore(t.fd, t.old) }

// size returns that of its window.
func (t *tty) size() (desktop.TerminalSize, error) {
	columns, rows, err := term.GetSize(t.fd)
	if err != nil {
		return desktop.TerminalSize{}, fmt.Errorf("measure the terminal: %w", err)
	}
	size := desktop.TerminalSize{Columns: columns, Rows: rows}
	if size.Validate() != nil {
		size = desktop.TerminalSize{Columns: 80, Rows: 24} // it does not know
	}
	return size, nil
}

// follow has the command's terminal take the size of this one whenever that
// changes, until stop is called.
func (t *tty) follow(session *sandbox.Session) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range changes {
			size, err := t.size()
			if err == nil {
				err = session.Resize(size)
			}
			if errors.Is(err, sandbox.ErrStopped) {
				return
			}
		}
	}()
	return func() {
		signal.Stop(changes)
		close(changes)
		<-done
	}
}
