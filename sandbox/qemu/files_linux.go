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
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("make socket pair for %s: %w", name, err)
	}
	ours := os.NewFile(uintptr(fds[0]), name)
	defer ours.Close() // FileConn duplicates it
	fd = t.add(os.NewFile(uintptr(fds[1]), name))
	c, err := net.FileConn(ours)
	if err != nil {
		return 0, nil, fmt.Errorf("use socket pair for %s: %w", name, err)
	}
	return fd, c.(*net.UnixConn), nil
}

// memoryFile returns a file in memory that holds what write wrote, for a child
// to open anew by its number. It has no name that anybody else could open it by,
// goes with the last process that has it, and cannot be changed any more.
func memoryFile(name string, write func(*os.File) error) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("make memory file for %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := write(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, fmt.Errorf("seal %s: %w", name, err)
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
