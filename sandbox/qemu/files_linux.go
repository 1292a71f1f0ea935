package qemu

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// firstFD is the number that the first inherited file has in a child.
const firstFD = 3

// fileTable is the list of files that a child inherits. They are the table's to
// close.
type fileTable struct {
	files []*os.File
}

// add puts f into the table and returns its number in the child.
func (t *fileTable) add(f *os.File) (fd int) {
	t.files = append(t.files, f)
	return firstFD + len(t.files) - 1
}

// addSocket makes a socket pair, puts one end into the table and returns its
// number in the child and the other end.
func (t *fileTable) addSocket(name string) (fd int, conn *net.UnixConn, err error) {
	theirs, conn, err := socketPair(name)
	if err != nil {
		return 0, nil, err
	}
	return t.add(theirs), conn, nil
}

// socketPair makes a pair of connected sockets.
func socketPair(name string) (theirs *os.File, ours *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair for %s: %w", name, err)
	}
	theirs = os.NewFile(uintptr(fds[1]), name)
	f := os.NewFile(uintptr(fds[0]), name)
	defer f.Close() // FileConn duplicates it
	c, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("use socket pair for %s: %w", name, err)
	}
	return theirs, c.(*net.UnixConn), nil
}

// memoryFile returns a file in memory that holds what write wrote, for a child
// to open anew by its number. It has no name that anybody else could open it by,
// goes with the last process that has it, and cannot be changed any more.
func memoryFile(name string, write func(*os.File) error) (*os.File, error) {
	f, err := newMemory(name, 0)
	if err != nil {
		return nil, err
	}
	if err := write(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	if err := seal(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// close closes every file of the table.
func (t *fileTable) close() {
	for _, f := range t.files {
		f.Close()
	}
	t.files = nil
}
