package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// dial opens a connection of the kind to the host.
type dial func(ctx context.Context, kind string) (net.Conn, error)

// stdio is what carries a command's streams to the host.
type stdio struct {
	theirs   []*os.File // of the command: its descriptors 0, 1 and 2
	ours     []*os.File
	conns    []net.Conn
	terminal *os.File // the end that is not the command's; nil without one

	output sync.WaitGroup // until all output is with the host
	input  sync.WaitGroup
}

// openStdio connects the streams of a command. They belong to the user, who may
// want to open them anew by their names.
func openStdio(ctx context.Context, dial dial, size *desktop.TerminalSize, uid, gid int) (*stdio, error) {
	s := new(stdio)
	var err error
	if size != nil {
		err = s.openTerminal(ctx, dial, *size)
	} else {
		err = s.openPipes(ctx, dial)
	}
	for _, f := range s.theirs {
		err = errors.Join(err, f.Chown(uid, gid))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stdio) openPipes(ctx context.Context, dial dial) error {
	for fd, kind := range []string{desktop.ConnStdin, desktop.ConnStdout, desktop.ConnStderr} {
		conn, err := dial(ctx, kind)
		if err != nil {
			return err
		}
		s.conns = append(s.conns, conn)
		r, w, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("open %s: %w", kind, err)
		}
		if fd == 0 {
			s.theirs, s.ours = append(s.theirs, r), append(s.ours, w)
			s.input.Go(func() { pump(w, conn) })
		} else {
			s.theirs, s.ours = append(s.theirs, w), append(s.ours, r)
			s.output.Go(func() { pump(conn, r) })
		}
	}
	return nil
}

// openTerminal opens a pair of pseudo terminals; see pty(7).
func (s *stdio) openTerminal(ctx context.Context, dial dial, size desktop.TerminalSize) error {
	conn, err := dial(ctx, desktop.ConnTerminal)
	if err != nil {
		return err
	}
	s.conns = append(s.conns, conn)
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open terminal: %w", err)
	}
	master := os.NewFile(uintptr(fd), "/dev/ptmx")
	s.terminal = master
	s.ours = append(s.ours, master)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return fmt.Errorf("unlock terminal: %w", err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return fmt.Errorf("find terminal: %w", err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("open terminal: %w", err)
	}
	s.theirs = append(s.theirs, slave, slave, slave)
	if err := s.resize(size); err != nil {
		return err
	}
	s.input.Go(func() { io.Copy(master, conn) })
	s.output.Go(func() { pump(conn, master) })
	return nil
}

// resize gives the terminal another size, of which the kernel tells the programs
// in it. Without a terminal there is nothing to do.
func (s *stdio) resize(size desktop.TerminalSize) error {
	if s.terminal == nil {
		return nil
	}
	conn, err := s.terminal.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(size.Columns), Row: uint16(size.Rows)})
	})
	return errors.Join(err, failed)
}

// handOver closes what only the command is to have, once it has it.
func (s *stdio) handOver() {
	for _, f := range s.theirs {
		f.Close() // a terminal is there three times
	}
	s.theirs = nil
}

// flush returns when all that was written has been taken by the host or refused.
// There must be no writers any more.
func (s *stdio) flush() { s.output.Wait() }

// close closes everything and returns when nothing is carried any more.
func (s *stdio) close() {
	s.handOver()
	for _, c := range s.conns {
		c.Close()
	}
	for _, f := range s.ours {
		f.Close()
	}
	s.output.Wait()
	s.input.Wait()
}

// pump copies from one end to another until the first ends or the second breaks,
// and closes both: a program that writes to what nobody reads must notice.
func pump(to io.WriteCloser, from io.ReadCloser) {
	// A terminal whose programs have all gone ends with an error.
	_, _ = io.Copy(to, from)
	to.Close()
	from.Close()
}
