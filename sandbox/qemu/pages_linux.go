package qemu

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is where a process has a part of a file in its memory.
type mapping struct {
	begin, end uint64 // addresses
	offset     int64  // in the file
}

// mappings returns where process pid has mapped file (proc_pid_maps(5)).
func mappings(pid int, file *os.File) ([]mapping, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	var found []mapping
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var m mapping
		var perms string
		var major, minor uint32
		var inode uint64
		_, err := fmt.Sscanf(lines.Text(), "%x-%x %s %x %x:%x %d", &m.begin, &m.end, &perms, &m.offset, &major, &minor, &inode)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", maps.Name(), err)
		}
		if inode == st.Ino && unix.Mkdev(major, minor) == st.Dev && strings.HasPrefix(perms, "rw") {
			found = append(found, m)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("process %d has not mapped its memory file", pid)
	}
	return found, nil
}

// Bits of an entry of a pagemap (Documentation/admin-guide/mm/pagemap.rst).
const (
	pagePresent  = 1 << 63
	pageSwapped  = 1 << 62
	pageOfFile   = 1 << 61 // or shared: not this process's own
	pagemapEntry = 8
)

// eachPrivate calls do for each run of pages of m that are process pid's own, as
// it has written to them since they were mapped from a file. n is at most
// copySize.
func (m mapping) eachPrivate(pagemap *os.File, do func(addr uint64, n int) error) error {
	const batch = 64 << 10 // bytes of entries
	entries := make([]byte, batch)
	var begin, end uint64 // of the run
	flush := func() error {
		for begin < end {
			n := min(end-begin, copySize)
			if err := do(begin, int(n)); err != nil {
				return err
			}
			begin += n
		}
		return nil
	}
	for addr := m.begin; addr < m.end; {
		n := min((m.end-addr)/pageSize*pagemapEntry, batch)
		if _, err := pagemap.ReadAt(entries[:n], int64(addr/pageSize*pagemapEntry)); err != nil {
			return fmt.Errorf("read %s: %w", pagemap.Name(), err)
		}
		for e := entries[:n]; len(e) > 0; e = e[pagemapEntry:] {
			flags := binary.LittleEndian.Uint64(e)
			if flags&(pagePresent|pageSwapped) != 0 && flags&pageOfFile == 0 {
				if addr != end {
					if err := flush(); err != nil {
						return err
					}
					begin = addr
				}
				end = addr + pageSize
			}
			addr += pageSize
		}
	}
	return flush()
}

// copyPrivate writes to dst those pages of process pid that it has over file,
// each at its place in the file.
func copyPrivate(dst *os.File, pid int, file *os.File) error {
	maps, err := mappings(pid, file)
	if err != nil {
		return err
	}
	pagemap, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	if err != nil {
		return err
	}
	defer pagemap.Close()
	buf := make([]byte, copySize)
	for _, m := range maps {
		err := m.eachPrivate(pagemap, func(addr uint64, n int) error {
			b := buf[:n]
			if err := peek(pid, addr, b); err != nil {
				return err
			}
			_, err := dst.WriteAt(b, m.offset+int64(addr-m.begin))
			return err
		})
		if err != nil {
			return fmt.Errorf("copy memory of process %d: %w", pid, err)
		}
	}
	return nil
}

// applyPrivate writes all that is not a hole in src to the same place of file as
// process pid has it in its memory.
func applyPrivate(pid int, file, src *os.File) error {
	maps, err := mappings(pid, file)
	if err != nil {
		return err
	}
	buf := make([]byte, copySize)
	return eachExtent(src, func(offset, n int64) error {
		b := buf[:n]
		if _, err := src.ReadAt(b, offset); err != nil {
			return fmt.Errorf("read %s: %w", src.Name(), err)
		}
		for len(b) > 0 {
			addr, room := find(maps, offset)
			if room == 0 {
				return fmt.Errorf("process %d has not mapped byte %d of its memory file", pid, offset)
			}
			part := b[:min(int64(len(b)), room)]
			if err := poke(pid, addr, part); err != nil {
				return err
			}
			b = b[len(part):]
			offset += int64(len(part))
		}
		return nil
	})
}

// find returns the address of a byte of the file, and how many are mapped from
// there on.
func find(maps []mapping, offset int64) (addr uint64, room int64) {
	for _, m := range maps {
		if size := int64(m.end - m.begin); offset >= m.offset && offset < m.offset+size {
			into := offset - m.offset
			return m.begin + uint64(into), size - into
		}
	}
	return 0, 0
}

func peek(pid int, addr uint64, b []byte) error { return transfer(unix.ProcessVMReadv, pid, addr, b) }
func poke(pid int, addr uint64, b []byte) error { return transfer(unix.ProcessVMWritev, pid, addr, b) }

func transfer(call func(int, []unix.Iovec, []unix.RemoteIovec, uint) (int, error), pid int, addr uint64, b []byte) error {
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	n, err := call(pid, local, []unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}, 0)
	if err == nil && n != len(b) {
		err = fmt.Errorf("%d bytes of %d", n, len(b))
	}
	if err != nil {
		return fmt.Errorf("memory of process %d: %w", pid, err)
	}
	return nil
}
