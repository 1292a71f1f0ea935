package run

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/vmette/vmette-mcp/desktop"
)

// stream reads one pipe to its end, which may come long after the command's:
// programs that it left running hold the other end. From the last take on,
// everything is thrown away.
type stream struct {
	f    *os.File
	done chan struct{} // closed at the end of the pipe

	mu   sync.Mutex
	kept *excerpt      // of what has not been taken; nil after the last take
	more chan struct{} // closed when there is something to take; nil when nobody waits
	buf  [32 << 10]byte
}

// ready is a channel that is closed.
var ready = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// newStream returns a stream and the end of its pipe that the command gets.
func newStream() (*stream, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	return &stream{f: r, done: make(chan struct{}), kept: newExcerpt(desktop.MaxOutput)}, w, nil
}

// read reads until the end of the pipe or until the file is closed.
func (s *stream) read() {
	defer close(s.done)
	defer s.f.Close()
	conn, err := s.f.SyscallConn()
	if err != nil {
		return
	}
	for err == nil {
		// The read and the account of it are one step for whoever takes the
		// excerpt, who must not miss what has been read and not yet kept.
		var end error
		err = conn.Read(func(fd uintptr) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			end = s.readOnce(int(fd))
			return end != unix.EAGAIN
		})
		if err == nil {
			err = end
		}
	}
}

// readOnce reads what is there, and io.EOF at the end of the pipe.
func (s *stream) readOnce(fd int) error {
	for {
		n, err := unix.Read(fd, s.buf[:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		}
		if s.kept != nil {
			s.kept.write(s.buf[:n])
		}
		if s.more != nil {
			close(s.more)
			s.more = nil
		}
		return nil
	}
}

// take returns what has been written since it was taken last, as far as it is
// kept; after the last take nothing more is kept. All that was written before the
// call is in it. A pipe holds a bounded amount, so that a program that never
// stops to write cannot hold the caller.
func (s *stream) take(last bool) *excerpt {
	s.mu.Lock()
	defer s.mu.Unlock()
	if conn, err := s.f.SyscallConn(); err == nil {
		conn.Control(func(fd uintptr) {
			held, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ) // FIONREAD's other name
			for err == nil && held > 0 {
				before := s.kept.total
				err = s.readOnce(int(fd))
				held -= int(s.kept.total - before)
			}
		})
	}
	kept := s.kept
	s.kept = nil
	if !last {
		s.kept = newExcerpt(desktop.MaxOutput)
	}
	return kept
}

// wait returns a channel that is closed when there is something to take, or
// nothing more is kept.
func (s *stream) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil || s.kept.total > 0 {
		return ready
	}
	if s.more == nil {
		s.more = make(chan struct{})
	}
	return s.more
}

// close ends the reading. Whoever still writes to the pipe gets SIGPIPE.
func (s *stream) close() {
	s.f.Close()
	<-s.done
}
