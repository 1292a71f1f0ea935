package vhostvsock

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// processMemory is guest memory in the address space of another process.
//
// Its calls happen in their order as the guest sees them, since each enters the
// kernel and takes a lock of that address space; an aligned index of two bytes
// is copied in one piece.
type processMemory struct {
	pid     int
	regions regions
	local   []unix.Iovec
	remote  []unix.RemoteIovec
	file    *os.File // /proc/PID/mem, where process_vm_readv is not permitted
}

const maxIovecs = 1024 // IOV_MAX

// openMemory checks that the memory of pid can be read.
func openMemory(pid int, rs regions) (memory, error) {
	m := &processMemory{pid: pid, regions: rs}
	var probe [1]byte
	err := m.read([][]byte{probe[:]}, []span{{rs[0].guest, 1}})
	if err == nil {
		return m, nil
	}
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSYS) {
		return nil, err
	}
	file, openErr := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if openErr != nil {
		return nil, fmt.Errorf("%w (and %w): the kernel forbids access to the memory of a child; "+
			"set kernel.yama.ptrace_scope to 0 or 1, or grant CAP_SYS_PTRACE, or use /dev/vhost-vsock", err, openErr)
	}
	m.file = file
	return m, nil
}

// CheckAccess tells whether the kernel lets this process serve a device to
// process pid, a child: nil, or what forbids it. Which user the child runs as,
// this process's capabilities, and the kernel's Yama module decide.
func CheckAccess(pid int) error {
	m, err := openMemory(pid, regions{{size: 1}})
	if errors.Is(err, unix.EFAULT) {
		return nil // the right is asked for before the address is looked at
	}
	if err != nil {
		return err
	}
	return m.close()
}

func (m *processMemory) read(dst [][]byte, src []span) error {
	n, err := m.prepare(dst, src)
	if err != nil || n == 0 {
		return err
	}
	if m.file != nil {
		return m.copyFile(m.file.ReadAt, dst)
	}
	done, err := unix.ProcessVMReadv(m.pid, m.local, m.remote, 0)
	return m.result("read", done, n, err)
}

func (m *processMemory) write(dst []span, src [][]byte) error {
	n, err := m.prepare(src, dst)
	if err != nil || n == 0 {
		return err
	}
	if m.file != nil {
		return m.copyFile(m.file.WriteAt, src)
	}
	done, err := unix.ProcessVMWritev(m.pid, m.local, m.remote, 0)
	return m.result("write", done, n, err)
}

// prepare fills local and remote and returns how many bytes they hold.
func (m *processMemory) prepare(bufs [][]byte, spans []span) (int, error) {
	m.local, m.remote = m.local[:0], m.remote[:0]
	total := 0
	for _, b := range bufs {
		if len(b) > 0 {
			iov := unix.Iovec{Base: &b[0]}
			iov.SetLen(len(b))
			m.local = append(m.local, iov)
			total += len(b)
		}
	}
	left := uint64(total)
	for _, s := range spans {
		for s.len > 0 {
			user, n, err := m.regions.resolve(s)
			if err != nil {
				return 0, err
			}
			if n > left {
				return 0, fmt.Errorf("copy of %d bytes to more than as many", total)
			}
			m.remote = append(m.remote, unix.RemoteIovec{Base: uintptr(user), Len: int(n)})
			s.addr += n
			s.len -= n
			left -= n
		}
	}
	if left > 0 {
		return 0, fmt.Errorf("copy of %d bytes to %d less", total, left)
	}
	if len(m.remote) > maxIovecs {
		return 0, fmt.Errorf("buffer in %d pieces", len(m.remote))
	}
	return total, nil
}

func (m *processMemory) result(doing string, done, want int, err error) error {
	// Nothing keeps the slices of a finished call alive.
	clear(m.local)
	if errors.Is(err, unix.ESRCH) {
		return errMemoryGone
	}
	if err != nil {
		return fmt.Errorf("%s memory of process %d: %w", doing, m.pid, err)
	}
	if done != want {
		return fmt.Errorf("%s memory of process %d: %d bytes of %d", doing, m.pid, done, want)
	}
	return nil
}

// copyFile is the slow door: a call for each pair of pieces.
func (m *processMemory) copyFile(at func([]byte, int64) (int, error), bufs [][]byte) error {
	clear(m.local)
	remote := m.remote
	for _, b := range bufs {
		for len(b) > 0 {
			r := &remote[0]
			n := min(len(b), r.Len)
			_, err := at(b[:n], int64(r.Base))
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return errMemoryGone // a file of no length is left
			}
			if err != nil {
				return fmt.Errorf("memory of process %d: %w", m.pid, err)
			}
			b = b[n:]
			r.Base += uintptr(n)
			r.Len -= n
			if r.Len == 0 {
				remote = remote[1:]
			}
		}
	}
	return nil
}

func (m *processMemory) close() error {
	if m.file != nil {
		return m.file.Close()
	}
	return nil
}
