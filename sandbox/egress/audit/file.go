package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// MaxFile is how large the file of a [File] gets, in bytes. With the one before it
// there are at most twice as many.
const MaxFile = 8 << 20

// File is a log on the disk. When it is full it becomes NAME.1, in the place of the
// one before. It is safe for concurrent use, by several processes too.
type File struct {
	name string
	max  int64

	mu sync.Mutex
	f  *os.File // nil once it is closed
}

// OpenFile opens the log, and makes it with mode 0600 when there is none. It must be
// closed.
func OpenFile(name string) (*File, error) {
	l := &File{name: name, max: MaxFile}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("open network log: %w", err)
	}
	return l, nil
}

// open opens the file of the name, in the place of the one that was open.
func (l *File) open() error {
	f, err := os.OpenFile(l.name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if l.f != nil {
		l.f.Close()
	}
	l.f = f
	return nil
}

// Write adds a line.
func (l *File) Write(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write network log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return errors.New("write network log: it is closed")
	}
	if err := l.write(append(line, '\n')); err != nil {
		return fmt.Errorf("write network log: %w", err)
	}
	return nil
}

// write adds a line to the file that has the name and room for it. Whoever writes to a
// file, or renames it, has it locked meanwhile.
func (l *File) write(line []byte) error {
	for {
		if err := lock(l.f); err != nil {
			return err
		}
		size, current, err := l.look()
		switch {
		case err != nil:
		case current && (size == 0 || size+int64(len(line)) <= l.max):
			_, err = l.f.Write(line)
			return errors.Join(err, unlock(l.f))
		case current:
			err = os.Rename(l.name, l.name+".1")
		}
		if err == nil {
			err = l.open()
		}
		if err != nil {
			return errors.Join(err, unlock(l.f))
		}
	}
}

// look returns how large the open file is, and whether it is the one of the name.
func (l *File) look() (size int64, current bool, err error) {
	open, err := l.f.Stat()
	if err != nil {
		return 0, false, err
	}
	named, err := os.Stat(l.name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	return open.Size(), os.SameFile(open, named), nil
}

// lock waits for the lock of a file, which others hold no longer than it takes to
// write a line. Closing the file gives it back as well.
func lock(f *os.File) error { return flock(f, unix.LOCK_EX) }

func unlock(f *os.File) error { return flock(f, unix.LOCK_UN) }

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return os.NewSyscallError("flock", err)
		}
	}
}

// Close closes the file. It may be called more than once.
func (l *File) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.f
	if l.f = nil; f == nil {
		return nil
	}
	return f.Close()
}
